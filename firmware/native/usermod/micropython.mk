# The module as a user C module, for ports that are built with make: make -C ports/unix USER_C_MODULES=.../firmware/native
# MICROSEAL_SUITES=1 (or 2) leaves the other suite out.

MICROSEAL_DIR := $(USERMOD_DIR)
SRC_USERMOD_C += $(MICROSEAL_DIR)/microseal_core.c
CFLAGS_USERMOD += $(if $(MICROSEAL_SUITES),-DMS_SUITE1=$(if $(filter 1,$(MICROSEAL_SUITES)),1,0) \
	-DMS_SUITE2=$(if $(filter 2,$(MICROSEAL_SUITES)),1,0))

# What a processor has in assembly, *_armv6m.S where core/config.h sets MS_ARMV6M and so on; empty for any other processor.
MICROSEAL_ASSEMBLY := $(wildcard $(MICROSEAL_DIR)/../core/*.S)
define MICROSEAL_WRAPPER
#include "$(abspath $(MICROSEAL_DIR)/../core/config.h)"
#if MS_$(shell echo $(lastword $(subst _, ,$(basename $(1)))) | tr a-z A-Z)
#    include "$(abspath $(1))"
#endif
#if defined __linux__
    .section .note.GNU-stack, "", %progbits
#endif
endef
$(shell mkdir -p $(BUILD)/microseal)
$(foreach source,$(MICROSEAL_ASSEMBLY),$(file >$(BUILD)/microseal/$(notdir $(source)),$(call MICROSEAL_WRAPPER,$(source))))
vpath %.S $(BUILD)
SRC_USERMOD_LIB_ASM += $(addprefix microseal/,$(notdir $(MICROSEAL_ASSEMBLY)))
