package peers;

import java.util.Arrays;

/** What is appended: the same bytes in every language. */
final class Payloads {
    static final int RECORD_BYTES_MAX = 131_072;
    /** A prime, so that records that are this many apart are the first ones that are equal. */
    private static final int PERIOD = 1_048_573;
    /** Record N is the bytes at N * size modulo the period, so that neighbours share nothing a compressor finds. */
    static final byte[] POOL = pool();

    private final int size;
    private int offset;

    Payloads(long number, int size) {
        this.size = size;
        this.offset = (int) (number % PERIOD * size % PERIOD);
    }

    /** Where the next payload begins in the pool. */
    int next() {
        int at = offset;
        offset += size;
        if (offset >= PERIOD) {
            offset -= PERIOD;
        }
        return at;
    }

    private static byte[] pool() {
        byte[] bytes = new byte[PERIOD + RECORD_BYTES_MAX];
        long state = 0;
        for (int at = 0; at < PERIOD; at += 8) { // splitmix64
            state += 0x9e3779b97f4a7c15L;
            long word = (state ^ state >>> 30) * 0xbf58476d1ce4e5b9L;
            word = (word ^ word >>> 27) * 0x94d049bb133111ebL;
            word ^= word >>> 31;
            for (int i = 0; i < 8; i++) {
                bytes[at + i] = (byte) (word >>> 8 * i);
            }
        }
        System.arraycopy(Arrays.copyOf(bytes, RECORD_BYTES_MAX), 0, bytes, PERIOD, RECORD_BYTES_MAX);
        return bytes;
    }
}
