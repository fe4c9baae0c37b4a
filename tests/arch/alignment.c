/*
 * A plugin for qemu that finds unaligned accesses: of a half-word at an odd address, of a word or more at one that is
 * no multiple of four. Emulators forgive them, many processors do not.
 *
 *   -plugin alignment.so,low=ADDRESS,high=ADDRESS,report=FILE      instructions at low <= address < high are watched
 *
 * FILE holds five 64-bit numbers that are current at any time: accesses seen, unaligned ones among them, and of the
 * first of those the instruction's address, the address accessed, and the size in bytes.
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What is used of qemu's interface for plugins, version 1 (docs/devel/tcg-plugins); Debian has no header of it. */
typedef uint64_t plugin_id;
typedef uint32_t access_info;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { NO_REGISTERS = 0, READ_AND_WRITE = 3 };
typedef void on_block(plugin_id id, struct qemu_plugin_tb *block);
typedef void on_access(unsigned int cpu, access_info info, uint64_t address, void *instruction);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, on_block *call);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *instruction, on_access *call, int registers, int kinds,
                                      void *data);
unsigned int qemu_plugin_mem_size_shift(access_info info);
int qemu_plugin_install(plugin_id id, const void *machine, int count, char **arguments);
extern int qemu_plugin_version;
int qemu_plugin_version = 1;

static struct {
    uint64_t seen, unaligned, instruction, address, size;
} *report;
static uint64_t low, high = UINT64_MAX;

static void on_use(unsigned int cpu, access_info info, uint64_t address, void *instruction)
{
    (void)cpu;
    uint64_t size = UINT64_C(1) << qemu_plugin_mem_size_shift(info);
    report->seen++;
    if (address % (size < 4 ? size : 4) && !report->unaligned++) {
        report->instruction = (uintptr_t)instruction;
        report->address = address;
        report->size = size;
    }
}

static void block(plugin_id id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(tb, i);
        uint64_t at = qemu_plugin_insn_vaddr(instruction);
        if (low <= at && at < high) {
            qemu_plugin_register_vcpu_mem_cb(instruction, on_use, NO_REGISTERS, READ_AND_WRITE, (void *)(uintptr_t)at);
        }
    }
}

static bool open_report(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
    if (file < 0 || ftruncate(file, sizeof *report)) {
        return false;
    }
    void *shared = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    report = shared;
    return shared != MAP_FAILED;
}

int qemu_plugin_install(plugin_id id, const void *machine, int count, char **arguments)
{
    (void)machine;
    bool reports = false;
    for (int i = 0; i < count; i++) {
        if (!strncmp(arguments[i], "report=", 7)) {
            reports = open_report(arguments[i] + 7);
        } else if (sscanf(arguments[i], "low=%" SCNx64, &low) != 1 &&
                   sscanf(arguments[i], "high=%" SCNx64, &high) != 1) {
            fprintf(stderr, "alignment: unknown argument %s\n", arguments[i]);
            return -1;
        }
    }
    if (!reports) {
        fprintf(stderr, "alignment: report=FILE is missing or cannot be written\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, block);
    return 0;
}
