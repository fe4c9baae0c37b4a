/* MicroPython asks it for alloca. */
#define alloca __builtin_alloca
