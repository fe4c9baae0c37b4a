/* After a reset the FPU is off, and an instruction of it faults. */
#include <stdint.h>

#define CPACR (*(volatile uint32_t *)0xE000ED88)
#define FULL_ACCESS_TO_CP10_AND_CP11 (0xFu << 20)

int __real_main(int argc, char **argv);
int __wrap_main(int argc, char **argv);

int __wrap_main(int argc, char **argv)
{
    CPACR |= FULL_ACCESS_TO_CP10_AND_CP11;
    __asm volatile("dsb\n\tisb");
    return __real_main(argc, argv);
}
