/* What C++ objects ask of a machine without heap, exceptions and exit. Compiled with the TFLM engine alone. */
#include <cstddef>

extern "C" {
[[noreturn]] void fc_stop(const char *reason); /* machine.h, which is C */

/* Nothing is destroyed: main does not return. */
int __cxa_atexit(void (*)(void *), void *, void *) { return 0; }
int __aeabi_atexit(void *, void (*)(void *), void *) { return 0; }
void *__dso_handle = nullptr;

[[noreturn]] void __cxa_pure_virtual() { fc_stop("a pure virtual function was called"); }
[[noreturn]] void abort() { fc_stop("abort was called"); }
[[noreturn]] void __assert_func(const char *, int, const char *, const char *condition) { fc_stop(condition); }
}

/* Virtual destructors refer to them; nothing was ever allocated. */
void operator delete(void *) noexcept {}
void operator delete(void *, std::size_t) noexcept {}
