#!/usr/bin/env python3
"""One session on a GPU machine: lanes of stages, one lane per GPU (lanes share a GPU if there are fewer), continuing from the checkpoint in the repository.

    session.py --out DIR [--minutes M] LANE [LANE ...]      LANE = "vae:45 decoders:25" or "flow:300,joint=0.6,seed=2"

Every stage takes seconds of training and settings of its function in sprout/train_*.py. Every half minute the state is packed into DIR/state-{a,b,c}.tar
and DIR/logs.tar; `session.py --unpack DIR` puts them back into models/sprout and training/state."""
import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL, STATE = os.path.join(HERE, '..', 'models', 'sprout'), os.path.join(HERE, 'state')
PARTS = {'state-a.tar': ('ss_enc', 'ss_dec', 'slat_', 'pipeline', 'status'), 'state-b.tar': ('ss_flow',), 'state-c.tar': ('dinov2', 'heads')}


def restore(run):
    os.makedirs(run, exist_ok=True)
    if os.path.exists(os.path.join(STATE, 'status.json')):
        shutil.copytree(MODEL, run, dirs_exist_ok=True)
        shutil.copytree(STATE, run, dirs_exist_ok=True, ignore=shutil.ignore_patterns('*.jsonl'))


def pack(run, out):
    for name, starts in PARTS.items():
        with tarfile.open(os.path.join(out, name + '.tmp'), 'w') as t:
            for d in ('', 'ckpts'):
                for f in sorted(os.listdir(os.path.join(run, d))) if os.path.isdir(os.path.join(run, d)) else []:
                    if f.startswith(starts) and f.endswith(('.json', '.safetensors')):
                        t.add(os.path.join(run, d, f), os.path.join(d, f))
        os.replace(os.path.join(out, name + '.tmp'), os.path.join(out, name))
    with tarfile.open(os.path.join(out, 'logs.tmp'), 'w:gz') as t:
        if os.path.isdir(os.path.join(run, 'logs')):
            t.add(os.path.join(run, 'logs'), 'logs')
    os.replace(os.path.join(out, 'logs.tmp'), os.path.join(out, 'logs.tar'))


def unpack(src):
    os.makedirs(STATE, exist_ok=True)
    for name in PARTS:
        with tarfile.open(os.path.join(src, name)) as t:
            for m in t.getmembers():
                data = t.extractfile(m).read()
                root = STATE if os.path.basename(m.name).startswith(('heads', 'status')) else MODEL
                path = os.path.join(root, m.name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, 'wb') as f:
                    f.write(data)
    with tarfile.open(os.path.join(src, 'logs.tar')) as t:
        for m in t.getmembers():
            if m.name.endswith('.jsonl'):
                with open(os.path.join(STATE, os.path.basename(m.name)), 'ab') as f:
                    f.write(t.extractfile(m).read())


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--out')
    p.add_argument('--unpack')
    p.add_argument('--minutes', type=float, default=9.)
    p.add_argument('--run', default='/tmp/sprout-run')
    p.add_argument('lanes', nargs='*')
    a = p.parse_intermixed_args()
    if a.unpack:
        return unpack(a.unpack)
    os.makedirs(a.out, exist_ok=True)
    restore(a.run)
    logs = os.path.join(a.run, 'logs')
    os.makedirs(logs, exist_ok=True)
    sys.path.insert(0, HERE)
    import torch
    gpus, end = max(1, torch.cuda.device_count()), time.time() + 60 * a.minutes
    if torch.cuda.is_available():
        print(torch.cuda.get_device_name(0), gpus, 'torch', torch.__version__, flush=True)
        from sprout import objects
        objects.lib(True)                                                      # compile the kernels once

    def lane(i, stages):
        for s in stages.split():
            name, rest = s.split(':', 1)
            seconds, *kw = rest.split(',')
            left = end - time.time()
            if left < 20:
                print('no time for', s, flush=True)
                break
            cmd = [sys.executable, os.path.join(HERE, 'train.py'), name, '--seconds', seconds, '--state', a.run, '--out', logs, *kw]
            t = time.time()
            with open(os.path.join(logs, f'{name}.{i}.txt'), 'w') as f:
                try:
                    rc = subprocess.run(cmd, env=dict(os.environ, CUDA_VISIBLE_DEVICES=str(i % gpus), PYTHONUNBUFFERED='1'), stdout=f, stderr=subprocess.STDOUT,
                                        timeout=min(left, float(seconds) + 150)).returncode
                except subprocess.TimeoutExpired:
                    rc = 'timeout'
            print(f'lane {i} {s}: rc {rc}, {time.time() - t:.0f} s', flush=True)
            if rc:
                with open(os.path.join(logs, f'{name}.{i}.txt')) as f:
                    print(f.read()[-1500:], flush=True)

    ts = [threading.Thread(target=lane, args=(i, s), daemon=True) for i, s in enumerate(a.lanes)]
    for t in ts:
        t.start()
    last = time.time()
    while any(t.is_alive() for t in ts) and time.time() < end + 5:
        time.sleep(1)
        if time.time() - last > 30:
            pack(a.run, a.out)
            last = time.time()
    pack(a.run, a.out)
    for f in sorted(os.listdir(logs)):
        if f.endswith('.jsonl'):
            with open(os.path.join(logs, f)) as q:
                lines = q.read().splitlines()
            print(f, *[x[:600] for x in lines[-4:]], sep='\n', flush=True)


if __name__ == '__main__':
    main()
