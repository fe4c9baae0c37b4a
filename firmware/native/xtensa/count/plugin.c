/*
 * A plugin for qemu-xtensa: what a program executes from the first instruction at one address to the first at another.
 *
 *   -plugin plugin.so,begin=ADDRESS,end=ADDRESS,skip=ADDRESS,skipped=ADDRESS,report=FILE
 *
 * FILE gets a line with the number of instructions, that of loads and stores, and two hashes: of the addresses of all
 * the instructions in their order, and of the addresses that they read and wrote. Instructions at skip <= address <
 * skipped do not count: those are what stands for MULUH, which itself is where the jump to them is, and counts.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is used of qemu's interface for plugins, version 1 (docs/devel/tcg-plugins); Debian has no header of it. */
typedef uint64_t plugin_id;
typedef uint32_t access_info;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { NO_REGISTERS = 0, READ_AND_WRITE = 3 };
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*call)(plugin_id id, struct qemu_plugin_tb *block));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction,
                                            void (*call)(unsigned cpu, void *data), int registers, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *instruction,
                                      void (*call)(unsigned cpu, access_info info, uint64_t address, void *data),
                                      int registers, int kinds, void *data);
void qemu_plugin_register_atexit_cb(plugin_id id, void (*call)(plugin_id id, void *data), void *data);
int qemu_plugin_install(plugin_id id, const void *machine, int count, char **arguments);
extern int qemu_plugin_version;
int qemu_plugin_version = 1;

static uint64_t begin, end, skip, skipped;
static char report[4096];
static bool counting;
static uint64_t instructions, accesses, path = 1, addresses = 1;

static uint64_t mixed(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static void on_instruction(unsigned cpu, void *data)
{
    (void)cpu;
    uint64_t at = (uintptr_t)data;
    if (at == begin) {
        counting = true;
    } else if (at == end) {
        counting = false;
    }
    if (counting) {
        instructions++;
        path = mixed(path, at);
    }
}

static void on_access(unsigned cpu, access_info info, uint64_t address, void *data)
{
    (void)cpu, (void)info, (void)data;
    if (counting) {
        accesses++;
        addresses = mixed(addresses, address);
    }
}

static void on_block(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        uint64_t at = qemu_plugin_insn_vaddr(instruction);
        if (at < skip || at >= skipped) {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_instruction, NO_REGISTERS, (void *)(uintptr_t)at);
            qemu_plugin_register_vcpu_mem_cb(instruction, on_access, NO_REGISTERS, READ_AND_WRITE, NULL);
        }
    }
}

static void on_exit(plugin_id id, void *data)
{
    (void)id, (void)data;
    FILE *file = fopen(report, "w");
    if (file) {
        fprintf(file, "%" PRIu64 " %" PRIu64 " %016" PRIx64 " %016" PRIx64 "\n", instructions, accesses, path,
                addresses);
        fclose(file);
    }
}

int qemu_plugin_install(plugin_id id, const void *machine, int count, char **arguments)
{
    (void)machine;
    struct {
        const char *name;
        uint64_t *value;
    } numbers[] = {{"begin=", &begin}, {"end=", &end}, {"skip=", &skip}, {"skipped=", &skipped}};
    for (int i = 0; i < count; i++) {
        for (size_t j = 0; j < sizeof numbers / sizeof numbers[0]; j++) {
            if (strncmp(arguments[i], numbers[j].name, strlen(numbers[j].name)) == 0) {
                *numbers[j].value = strtoull(arguments[i] + strlen(numbers[j].name), NULL, 0);
            }
        }
        if (strncmp(arguments[i], "report=", 7) == 0) {
            snprintf(report, sizeof report, "%s", arguments[i] + 7);
        }
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_block);
    qemu_plugin_register_atexit_cb(id, on_exit, NULL);
    return begin && end && report[0] ? 0 : -1;
}
