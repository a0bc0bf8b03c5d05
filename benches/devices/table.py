"""A Markdown table of what a device's driver made of kernels: table.py DEVICE DIRECTORY..., of what layer.c wrote."""

import json
import re
import struct
import sys
from pathlib import Path

# How each driver calls things. `least`: waves that a kernel of a decode step shall leave room for, 8 a SIMD or a quarter of
# what the device holds. `wide` and `narrow`: loads from buffers, of 128 bits and others, in the instructions.
DRIVERS = [
    dict(
        mark="Subgroups per SIMD",
        registers="VGPRs",
        spills=["Spilled VGPRs", "Spilled SGPRs"],
        scratch="Scratch size",
        waves=lambda kernel: kernel["Subgroups per SIMD"],
        least=8,
        instructions="Assembly.txt",
        load=r"\b(?:buffer|global|s_buffer)_load_(\w+)",
        wide=r"dwordx4|b128|dwordx8|b256",
    ),
    dict(
        mark="Max warps/SM",
        registers="Number of GPRs",
        spills=["Spills to memory", "Fills from memory"],
        scratch="SLM size",
        waves=lambda kernel: kernel["Max warps/SM"],
        least=12,
        instructions="NAK_assembly.txt",
        load=r"\bld\.global(\S*)",
        wide=r"b128",
    ),
    dict(
        mark="FSCIB",
        registers="GPRs",
        spills=["Spills", "Fills"],
        scratch="Scratch",
        waves=lambda kernel: kernel["Threads"] // 32,
        least=8,
        instructions="printed",
        load=r"= device_load (.*)",
        wide=r"xyzw",
    ),
    dict(
        mark="Max Waves Per Core",
        registers="Registers used",
        spills=["STP Count", "LDP Count"],
        scratch=None,
        waves=lambda kernel: kernel["Max Waves Per Core"],
        least=4,
        instructions="IR3_Assembly.txt",
        load=r"\b(isam\S* \S+|ldib\S*|ldg\S*)",
        wide=r"xyzw|u32\.4",
    ),
]


class Module:
    """What SPIR-V that naga wrote with its source tells: the kernel's name, its WGSL, threads, workgroup memory in bytes."""

    def __init__(self, path):
        data = path.read_bytes()
        words = struct.unpack(f"<{len(data) // 4}I", data)
        self.name, source, self.threads, self.shared = "?", b"", 0, 0
        numbers, sizes, pointers = {}, {}, {}
        at = 5
        while at < len(words):
            op, length = words[at] & 0xFFFF, words[at] >> 16
            args = words[at + 1 : at + length]
            text = lambda skip: data[(at + 1 + skip) * 4 : (at + length) * 4].split(b"\0")[0]
            if op == 7:  # OpString
                self.name = text(1).decode()
            elif op == 3:  # OpSource
                source += text(3)
            elif op == 2:  # OpSourceContinued
                source += text(0)
            elif op == 16 and args[1] == 17:  # OpExecutionMode LocalSize
                self.threads = args[2] * args[3] * args[4]
            elif op in (21, 22):  # OpTypeInt, OpTypeFloat
                sizes[args[0]] = args[1] // 8
            elif op == 23:  # OpTypeVector; three take the place of four
                sizes[args[0]] = sizes.get(args[1], 0) * (args[2] + args[2] % 2)
            elif op == 43:  # OpConstant
                numbers[args[1]] = args[2]
            elif op == 28:  # OpTypeArray
                sizes[args[0]] = sizes.get(args[1], 0) * numbers[args[2]]
            elif op == 30:  # OpTypeStruct
                sizes[args[0]] = sum(sizes.get(member, 0) for member in args[1:])
            elif op == 32:  # OpTypePointer
                pointers[args[0]] = args[2]
            elif op == 59 and args[2] == 4:  # OpVariable in Workgroup
                self.shared += sizes.get(pointers[args[0]], 0)
            at += length
        constants = re.findall(r"^const (\w+): \w+ = (\w+?)u?;", source.decode(), re.M)
        # The numbers of epilogues are the same in all.
        epilogues = {"STORE", "ADD", "ACTIVATE", "GATE", "BEST"}
        self.constants = " ".join(f"{name}={value}" for name, value in constants if name not in epilogues)


def instructions(directory, driver, module):
    if driver["instructions"] != "printed":
        return (directory / f"{module}.{driver['instructions']}").read_text(errors="replace")
    printed = (directory / "printed").read_text(errors="replace")
    of_module = printed.split(f"module {module} compiled\n")[0].rsplit("\nshader: ", 1)[-1]
    # Printed after each of three passes of the compiler, and then what is done once a dispatch likewise.
    return of_module.split("\nblock0 {")[3]


def row(directory, driver, kernel):
    module = Module(directory / f"{kernel['module']}.spv")
    loads = re.findall(driver["load"], instructions(directory, driver, kernel["module"]))
    wide = sum(bool(re.search(driver["wide"], load)) for load in loads)
    return {
        "kernel": module.name,
        "constants": module.constants,
        "threads": module.threads,
        "subgroup": kernel["subgroup"],
        "registers": kernel[driver["registers"]],
        "spills": sum(kernel[name] for name in driver["spills"]),
        "scratch": kernel[driver["scratch"]] if driver["scratch"] else 0,
        "workgroup memory": module.shared,
        "code": kernel["Code size"],
        "waves": driver["waves"](kernel),
        "128-bit loads": wide,
        "other loads": len(loads) - wide,
    }


device, directories = sys.argv[1], sys.argv[2:]
rows, driver = {}, None
for directory in map(Path, directories):
    for line in (directory / "pipelines.jsonl").read_text().splitlines():
        kernel = json.loads(line)
        driver = driver or next(driver for driver in DRIVERS if driver["mark"] in kernel)
        found = row(directory, driver, kernel)
        # wgpu has kernels of its own, for indirect dispatches.
        if found["kernel"] != "?" and not found["kernel"].startswith("wgpu"):
            rows[found["kernel"], found["constants"]] = found
rows = [rows[key] for key in sorted(rows)]
if not rows:
    sys.exit("no kernels were compiled")
print("| " + " | ".join(rows[0]) + " |")
print("|" + "---|" * 2 + "---:|" * (len(rows[0]) - 2))
for found in rows:
    print("| " + " | ".join(str(value) for value in found.values()) + " |")
# These hold ten waves a SIMD.
least = 3 if device in ("polaris10", "vega10", "renoir") else driver["least"]
count = lambda test: sum(map(bool, map(test, rows)))
print(
    f"\n{len(rows)} kernels: {count(lambda r: r['spills'])} spill, {count(lambda r: r['scratch'])} have scratch memory, "
    f"{count(lambda r: r['waves'] < least)} leave room for fewer than {least} waves, "
    f"{count(lambda r: not r['128-bit loads'])} have no 128-bit loads."
)
