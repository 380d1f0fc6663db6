package peers;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import net.openhft.chronicle.bytes.Bytes;
import net.openhft.chronicle.bytes.SyncMode;
import net.openhft.chronicle.queue.ChronicleQueue;
import net.openhft.chronicle.queue.ExcerptAppender;
import net.openhft.chronicle.queue.ExcerptTailer;
import net.openhft.chronicle.wire.DocumentContext;

/**
 * Runs one work on Chronicle Queue, and prints one line of JSON. README.md of the peers describes works and arguments.
 *
 * <pre>Chronicle WORK --records N --bytes B --directory D [--threads T] [--seconds S]</pre>
 *
 * <p>Fast: its default, no syncs; sustained: a sync each second, between two appends. Durable: SyncMode.SYNC and a sync
 * after each append. There are no batches and no checksums.
 */
public final class Chronicle {
    private static final int BLOCK_RECORDS = 16; // timed together in a sustained run, so that the clock costs little
    private static final long WARM_UP_RECORDS = 200_000; // whatever the number of records: the compiler needs them
    private static final long SECOND_NS = 1_000_000_000;

    private final String work;
    private final Path directory;
    private final long records;
    private final int bytes;
    private final int threads;
    private final double seconds;

    private record Measurement(long records, long totalNs, long readNs, double worstSecond, long longestNs) {}

    private interface Visit {
        void record(Bytes<?> content);
    }

    private Chronicle(String work, Path directory, long records, int bytes, int threads, double seconds) {
        this.work = work;
        this.directory = directory;
        this.records = records;
        this.bytes = bytes;
        this.threads = threads;
        this.seconds = seconds;
    }

    public static void main(String[] arguments) throws Exception {
        long records = 0;
        int bytes = 0;
        int threads = 1;
        double seconds = 0;
        Path directory = Path.of(".");
        for (int i = 1; i + 1 < arguments.length; i += 2) {
            String value = arguments[i + 1];
            switch (arguments[i]) {
                case "--records" -> records = Long.parseLong(value);
                case "--bytes" -> bytes = Integer.parseInt(value);
                case "--threads" -> threads = Integer.parseInt(value);
                case "--seconds" -> seconds = Double.parseDouble(value);
                case "--directory" -> directory = Path.of(value);
                default -> throw new IllegalArgumentException("unknown option " + arguments[i]);
            }
        }
        if (bytes < 1 || bytes > Payloads.RECORD_BYTES_MAX || records % threads != 0) {
            throw new IllegalArgumentException("--bytes is 1 to " + Payloads.RECORD_BYTES_MAX
                + ", --records a multiple of the threads");
        }
        String work = arguments[0];
        long few = work.equals("durable") ? records / 10 / threads * threads + threads
            : Math.min(WARM_UP_RECORDS, Math.max(records, 1));
        new Chronicle(work, directory.resolve("warm-up"), few, bytes, threads, Math.min(1, seconds)).runAndRemove();
        Measurement result =
            new Chronicle(work, directory.resolve("measured"), records, bytes, threads, seconds).runAndRemove();
        System.out.printf(
            "{\"records\": %d, \"total_ns\": %d, \"read_ns\": %d, \"worst_second\": %.4f, \"longest_ns\": %d}%n",
            result.records, result.totalNs, result.readNs, result.worstSecond, result.longestNs);
        System.exit(0); // threads of the queue may still be there
    }

    private Measurement runAndRemove() throws Exception {
        Files.createDirectory(directory);
        Measurement result = run();
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file : (Iterable<Path>) files.sorted(Comparator.reverseOrder())::iterator) {
                Files.deleteIfExists(file);
            }
        }
        return result;
    }

    private Measurement run() throws Exception {
        switch (work) {
            case "append", "durable", "headline" -> {
                boolean durable = work.equals("durable");
                long tookNs = threads > 1 ? appendFromThreads() : appendAll(durable);
                long readNs = work.equals("headline") ? readTimed() : 0;
                if (threads > 1) {
                    verifyUnordered();
                } else {
                    verify(records);
                }
                return new Measurement(records, tookNs, readNs, 0, 0);
            }
            case "read" -> {
                appendAll(false);
                verify(records);
                return new Measurement(records, readTimed(), 0, 0, 0);
            }
            case "sustained" -> {
                Measurement result = sustain();
                verify(result.records);
                return result;
            }
            default -> throw new IllegalArgumentException("unknown work " + work);
        }
    }

    private ChronicleQueue open(SyncMode mode) {
        return ChronicleQueue.singleBuilder(directory).syncMode(mode).build();
    }

    /** The pool outside of the heap, from which the queue copies. */
    private static Bytes<?> nativePool() {
        Bytes<?> pool = Bytes.allocateDirect(Payloads.POOL.length);
        pool.write(Payloads.POOL);
        return pool;
    }

    private void append(ExcerptAppender appender, Bytes<?> pool, Payloads payloads) {
        pool.readPositionRemaining(payloads.next(), bytes);
        appender.writeBytes(pool);
    }

    private long appendAll(boolean durable) {
        Bytes<?> pool = nativePool();
        Payloads payloads = new Payloads(0, bytes);
        try (ChronicleQueue queue = open(durable ? SyncMode.SYNC : SyncMode.NONE);
                ExcerptAppender appender = queue.createAppender()) {
            long startNs = System.nanoTime();
            for (long i = 0; i < records; i++) {
                append(appender, pool, payloads);
                if (durable) {
                    appender.sync();
                }
            }
            return System.nanoTime() - startNs;
        }
    }

    private long appendFromThreads() throws InterruptedException {
        long share = records / threads;
        AtomicReference<Throwable> failure = new AtomicReference<>();
        try (ChronicleQueue queue = open(SyncMode.SYNC)) {
            List<Thread> all = new ArrayList<>();
            long startNs = System.nanoTime();
            for (int thread = 0; thread < threads; thread++) {
                Payloads payloads = new Payloads(thread * share, bytes);
                Thread started = new Thread(() -> appendShare(queue, payloads, share));
                started.setUncaughtExceptionHandler((which, error) -> failure.set(error));
                started.start();
                all.add(started);
            }
            for (Thread started : all) {
                started.join();
            }
            long tookNs = System.nanoTime() - startNs;
            if (failure.get() != null) {
                throw new IllegalStateException(failure.get());
            }
            return tookNs;
        }
    }

    private void appendShare(ChronicleQueue queue, Payloads payloads, long share) {
        Bytes<?> pool = nativePool();
        try (ExcerptAppender appender = queue.createAppender()) {
            for (long i = 0; i < share; i++) {
                append(appender, pool, payloads);
                appender.sync();
            }
        }
    }

    private Measurement sustain() {
        Bytes<?> pool = nativePool();
        Payloads payloads = new Payloads(0, bytes);
        long lengthNs = (long) (seconds * SECOND_NS);
        try (ChronicleQueue queue = open(SyncMode.SYNC); ExcerptAppender appender = queue.createAppender()) {
            long startNs = System.nanoTime();
            long blockNs = startNs;
            long secondNs = startNs;
            long secondRecords = 0;
            long longestNs = 0;
            long count = 0;
            double worst = 0;
            boolean over = false;
            while (!over) {
                for (int i = 0; i < BLOCK_RECORDS; i++) {
                    append(appender, pool, payloads);
                }
                count += BLOCK_RECORDS;
                long nowNs = System.nanoTime();
                over = nowNs - startNs >= lengthNs;
                if (nowNs - secondNs >= SECOND_NS) {
                    appender.sync();
                    nowNs = System.nanoTime();
                }
                longestNs = Math.max(longestNs, nowNs - blockNs);
                blockNs = nowNs;
                if (nowNs - secondNs < SECOND_NS && !over) {
                    continue;
                }
                // What is left of the last second counts as one if it is half a second or more, or all there is.
                if (nowNs - secondNs >= SECOND_NS / 2 || secondNs == startNs) {
                    worst = Math.max(worst, (double) (nowNs - secondNs) / (count - secondRecords));
                }
                secondNs = nowNs;
                secondRecords = count;
            }
            long totalNs = blockNs - startNs;
            return new Measurement(count, totalNs, 0, (double) totalNs / count / worst, longestNs);
        }
    }

    private long readAll(Visit visit) {
        try (ChronicleQueue queue = open(SyncMode.NONE); ExcerptTailer tailer = queue.createTailer()) {
            long startNs = System.nanoTime();
            while (true) {
                try (DocumentContext document = tailer.readingDocument()) {
                    if (!document.isPresent()) {
                        break;
                    }
                    visit.record(document.wire().bytes());
                }
            }
            return System.nanoTime() - startNs;
        }
    }

    private static byte mixed; // so that what is read is used

    private long readTimed() {
        long[] seen = new long[2];
        long tookNs = readAll(content -> {
            seen[0]++;
            seen[1] += content.readRemaining();
            mixed ^= content.readByte(content.readPosition()) ^ content.readByte(content.readLimit() - 1);
        });
        if (seen[0] != records || seen[1] != records * bytes) {
            throw new IllegalStateException("read " + Arrays.toString(seen) + " records and bytes of " + records);
        }
        return tookNs;
    }

    /** Compares every byte of every record, in the order of the appends. */
    private void verify(long expected) {
        Payloads payloads = new Payloads(0, bytes);
        byte[] found = new byte[bytes];
        long[] count = new long[1];
        readAll(content -> {
            int at = payloads.next();
            boolean isWhole = content.readRemaining() == bytes && content.read(found) == bytes;
            if (!isWhole || !Arrays.equals(found, 0, bytes, Payloads.POOL, at, at + bytes)) {
                throw new IllegalStateException("record " + count[0] + " differs from what was appended");
            }
            count[0]++;
        });
        if (count[0] != expected) {
            throw new IllegalStateException("read " + count[0] + " records, " + expected + " were appended");
        }
    }

    /** The same where threads appended in no certain order. */
    private void verifyUnordered() {
        List<byte[]> found = new ArrayList<>();
        readAll(content -> found.add(content.toByteArray()));
        List<byte[]> expected = new ArrayList<>();
        Payloads payloads = new Payloads(0, bytes);
        for (long i = 0; i < records; i++) {
            int at = payloads.next();
            expected.add(Arrays.copyOfRange(Payloads.POOL, at, at + bytes));
        }
        found.sort(Arrays::compare);
        expected.sort(Arrays::compare);
        if (!Arrays.deepEquals(found.toArray(), expected.toArray())) {
            throw new IllegalStateException("the records differ from what was appended");
        }
    }
}
