// A tool that only reads declarations defines IMMUTA_PARSER before it reads this header. The rest is plain C99 then,
// and no target is refused.
#if defined(IMMUTA_PARSER)
#define IMMUTA_MUST_USE
#define IMMUTA_INT32
#else

#if !defined(__linux__)
#error "libimmuta needs Linux, whose futex and file locks it uses"
#elif UINTPTR_MAX != UINT64_MAX
#error "libimmuta needs a 64-bit target: compile without -m32 and -mx32"
#elif defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "libimmuta needs a little-endian target, as its files are little-endian"
#endif

// Marks a function whose status says whether data is safe: the compiler warns if a caller ignores it. A cast to void
// silences the warning of [[nodiscard]], but not that of GCC's attribute. Look at the status.
#if (defined(__cplusplus) && __cplusplus >= 201703L) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L)
#define IMMUTA_MUST_USE [[nodiscard]]
#elif defined(__GNUC__)
#define IMMUTA_MUST_USE __attribute__((warn_unused_result))
#else
#define IMMUTA_MUST_USE
#endif

// The integer type of an enum, in languages that can name it. There any int32_t may be converted to the enum, also one
// without a name.
#if (defined(__cplusplus) && __cplusplus >= 201103L) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L)
#define IMMUTA_INT32 : int32_t
#else
#define IMMUTA_INT32
#endif

#endif // IMMUTA_PARSER
