/*
 * How the core is built. Every switch can be given on the compiler's command line:
 *
 *   MS_SUITE1, MS_SUITE2   1 or 0: build in P-256/SHA-256, curveSM2/SM3. One left out saves its constants and code.
 *   MS_LIMB_BITS           64, 32 or 29: what a word of big numbers holds. 64 needs unsigned __int128; 29 is for
 *                          processors without a carry flag, see field_29.c.
 *   MS_SM4_TABLE           1: SM4's S-box is a table indexed by secrets. Only where no cache lies between the core and
 *                          that table (RP2040 from RAM); everywhere else it leaks the key through timing.
 *   MS_ARMV6M              1, by default on that processor: what is hot is assembly, in the files *_armv6m.S, which
 *                          have to be linked as well.
 *   MS_ARMV7EM             the same for ARMv7E-M and ARMv8-M with DSP instructions and *_armv7em.S.
 *   MS_XTENSA              1, by default on Xtensa with the windowed ABI (ESP32, S2, S3): products are assembly,
 *                          in field_xtensa.c.
 *   MS_CALLER_BURNS        set by who includes core.c and erases, after each call, the stack that it took (secret.h).
 *   MS_ONE_UNIT            set by core.c, which includes all other files: everything internal becomes static.
 *   MS_CHECK_SECRETS       set for the valgrind build: secrets are tracked, see secret.h.
 */
#ifndef MS_CONFIG_H
#define MS_CONFIG_H

#ifndef MS_SUITE1
#    define MS_SUITE1 1
#endif
#ifndef MS_SUITE2
#    define MS_SUITE2 1
#endif
#ifndef MS_SM4_TABLE
#    define MS_SM4_TABLE 0
#endif
#ifndef MS_LIMB_BITS
#    ifdef __SIZEOF_INT128__
#        define MS_LIMB_BITS 64
#    elif defined __riscv || defined __XTENSA__ || defined __xtensa__
#        define MS_LIMB_BITS 29
#    else
#        define MS_LIMB_BITS 32
#    endif
#endif

#ifndef MS_ARMV6M
#    if defined __ARM_ARCH_6M__ && MS_LIMB_BITS == 32
#        define MS_ARMV6M 1
#    else
#        define MS_ARMV6M 0
#    endif
#endif

#ifndef MS_ARMV7EM
#    if defined __ARM_FEATURE_DSP && defined __thumb2__ && __ARM_ARCH_PROFILE == 'M' && MS_LIMB_BITS == 32
#        define MS_ARMV7EM 1
#    else
#        define MS_ARMV7EM 0
#    endif
#endif

#ifndef MS_XTENSA
#    if (defined __XTENSA__ || defined __xtensa__) && !defined __XTENSA_CALL0_ABI__ && MS_LIMB_BITS == 29
#        define MS_XTENSA 1
#    else
#        define MS_XTENSA 0
#    endif
#endif

#ifndef MS_CALLER_BURNS
#    define MS_CALLER_BURNS 0
#endif

#if !MS_SUITE1 && !MS_SUITE2
#    error "at least one suite"
#endif

#ifdef MS_ONE_UNIT
#    define MS_INTERNAL static
#else
#    define MS_INTERNAL __attribute__((visibility("hidden")))
#endif

/* What assembly defines, or calls. */
#define MS_ASSEMBLY __attribute__((visibility("hidden")))

/* The symmetric functions that are assembly where MS_ARMV6M is set. */
#if MS_ARMV6M
#    define MS_SYMMETRIC MS_ASSEMBLY
#else
#    define MS_SYMMETRIC MS_INTERNAL
#endif

/* For functions with secrets in their frames: kept apart so that burn_stack in their caller reaches those frames. */
#define MS_NOINLINE __attribute__((noinline))

#endif
