#!/usr/bin/env python3
"""One forward of the sparse-structure flow of image-large in float32, PyTorch and Espalier by turns on this machine.

    /usr/bin/python3 bench/structure_flow.py build/release/bin/structure_flow_bench [--runs 5] [--blocks 24] [--threads 2]

Needs Debian's python3-torch and libopenblas0-pthread. PyTorch's attention is the faster of two ways to write it, over all heads at once
and head by head. Prints the seconds of every run, the medians of wall and processor time, and their ratios (above 1: Espalier is
quicker).
"""
import argparse
import os
import resource
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

CHANNELS, HEADS, TOKENS, CONDITION = 1024, 16, 4096, 1374


def attend_together(q, k, v):
    weights = torch.softmax((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2), dim=-1)
    return weights @ v


def attend_by_head(q, k, v):
    return torch.stack([attend_together(q[h], k[h], v[h]) for h in range(q.shape[0])])


ATTENTION = {"all heads at once": attend_together, "head by head": attend_by_head}


def split(x, parts):
    """[rows, parts * channels] -> parts tensors [heads, rows, width]."""
    return x.view(x.shape[0], parts, HEADS, -1).permute(1, 2, 0, 3).unbind(0)


class HeadNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(HEADS, 1, CHANNELS // HEADS))

    def forward(self, x):
        return F.normalize(x, dim=-1) * self.gamma * x.shape[-1] ** 0.5


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm2 = nn.LayerNorm(CHANNELS, eps=1e-6)
        self.to_qkv = nn.Linear(CHANNELS, 3 * CHANNELS)
        self.to_out = nn.Linear(CHANNELS, CHANNELS)
        self.q_norm, self.k_norm = HeadNorm(), HeadNorm()
        self.cross_q = nn.Linear(CHANNELS, CHANNELS)
        self.cross_kv = nn.Linear(CHANNELS, 2 * CHANNELS)
        self.cross_out = nn.Linear(CHANNELS, CHANNELS)
        self.first = nn.Linear(CHANNELS, 4 * CHANNELS)
        self.second = nn.Linear(4 * CHANNELS, CHANNELS)
        self.modulation = nn.Linear(CHANNELS, 6 * CHANNELS)

    def forward(self, x, condition, t, attend):
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.modulation(F.silu(t)).chunk(6, dim=-1)
        plain = lambda y: F.layer_norm(y, (CHANNELS,), eps=1e-6)
        merged = lambda y: y.permute(1, 0, 2).reshape(y.shape[1], CHANNELS)
        q, k, v = split(self.to_qkv(plain(x) * (1 + scale_a) + shift_a), 3)
        x = x + gate_a * self.to_out(merged(attend(self.q_norm(q), self.k_norm(k), v)))
        (q,), (k, v) = split(self.cross_q(self.norm2(x)), 1), split(self.cross_kv(condition), 2)
        x = x + self.cross_out(merged(attend(q, k, v)))
        h = plain(x) * (1 + scale_m) + shift_m
        return x + gate_m * self.second(F.gelu(self.first(h), approximate="tanh"))


class Flow(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(256, CHANNELS), nn.SiLU(), nn.Linear(CHANNELS, CHANNELS))
        self.input = nn.Linear(8, CHANNELS)
        self.positions = nn.Parameter(torch.randn(TOKENS, CHANNELS))
        self.blocks = nn.ModuleList(Block() for _ in range(blocks))
        self.output = nn.Linear(CHANNELS, 8)

    def forward(self, x, t, condition, attend):
        phases = t * torch.exp(-torch.log(torch.tensor(10000.0)) * torch.arange(128) / 128)
        t = self.embed(torch.cat([phases.cos(), phases.sin()]))
        h = self.input(x.view(8, TOKENS).t()) + self.positions
        for block in self.blocks:
            h = block(h, condition, t, attend)
        return self.output(F.layer_norm(h, (CHANNELS,))).t()


def processor_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def timed(work, processor):
    wall, busy = time.monotonic(), processor()
    work()
    return time.monotonic() - wall, processor() - busy


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--blocks", type=int, default=24)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    # OpenBLAS reads its number of threads when it is loaded, which `import torch` has already done.
    if os.environ.get("OPENBLAS_NUM_THREADS") != str(options.threads):
        os.environ["OPENBLAS_NUM_THREADS"] = str(options.threads)
        os.execv(sys.executable, [sys.executable, *sys.argv])

    torch.set_num_threads(options.threads)
    flow = Flow(options.blocks).eval()
    x, condition = torch.randn(8, TOKENS), torch.randn(CONDITION, CHANNELS)
    ours = subprocess.Popen([options.program, "--serve", "--blocks", str(options.blocks)], text=True, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": str(options.threads)})

    def run_ours():
        ours.stdin.write("\n")
        ours.stdin.flush()
        if not ours.stdout.readline():
            raise SystemExit(f"{options.program} ended early")

    @torch.no_grad()
    def run_torch(attend):
        flow(x, torch.tensor(700.0), condition, attend)

    runs = {"espalier": (run_ours, lambda: processor_seconds(ours.pid))}
    for name, attend in ATTENTION.items():
        runs["PyTorch, " + name] = (lambda attend=attend: run_torch(attend), own_seconds)
    print(f"PyTorch {torch.__version__}, {options.threads} threads, {options.blocks} blocks; seconds (processor seconds)")
    times = {name: [] for name in runs}
    for i in range(options.runs + 1):  # the first round warms up
        for name, (work, processor) in runs.items():
            sample = timed(work, processor)
            print(f"{'warm-up' if i == 0 else i}  {name}: {sample[0]:.2f} ({sample[1]:.2f})", flush=True)
            if i > 0:
                times[name].append(sample)
    ours.stdin.close()
    medians = {name: [statistics.median(column) for column in zip(*samples)] for name, samples in times.items()}
    best = [min(m[column] for name, m in medians.items() if name != "espalier") for column in (0, 1)]
    for name, m in medians.items():
        print(f"median  {name}: {m[0]:.2f} ({m[1]:.2f})")
    print(f"PyTorch / Espalier: wall {best[0] / medians['espalier'][0]:.3f}, processor {best[1] / medians['espalier'][1]:.3f}")


if __name__ == "__main__":
    main()
