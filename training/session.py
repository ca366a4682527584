#!/usr/bin/env python3
"""One session on a GPU machine: lanes of stages, one lane per GPU (lanes share a GPU if there are fewer), continuing from the checkpoint in the repository.

    session.py --out DIR [--minutes M] LANE [LANE ...] [/ LANE ...]      LANE = "vae:45 decoders:25" or "*flow:300,joint=0.6,seed=2"

Lanes after a "/" begin when all before it have ended. A stage with a star runs on all GPUs, and on the last one alone if that does not start.
`evaluate:60` runs evaluate.py on the state. Every stage takes seconds of training and settings of its function in sprout/train_*.py. Every half minute the state is packed into DIR/state-{a,b,c}.tar
and DIR/logs.tar; `session.py --unpack DIR` puts them back into models/sprout and training/state."""
import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL, STATE = os.path.join(HERE, '..', 'models', 'sprout'), os.path.join(HERE, 'state')
TEXT = os.path.join(HERE, '..', 'models', 'sprout-text')
PARTS = {'state-a.tar': ('ss_enc', 'ss_dec', 'slat_', 'pipeline', 'status'), 'state-b.tar': ('ss_flow',), 'state-c.tar': ('dinov2', 'heads'),
         'state-t.tar': ('clip_sprout_text', 'ss_flow_txt', 'slat_flow_txt', 'status')}


def restore(run):
    os.makedirs(run, exist_ok=True)
    if os.path.exists(os.path.join(STATE, 'status.json')):
        shutil.copytree(MODEL, run, dirs_exist_ok=True)
        if os.path.isdir(os.path.join(TEXT, 'ckpts')):
            shutil.copytree(os.path.join(TEXT, 'ckpts'), os.path.join(run, 'ckpts'), dirs_exist_ok=True)
        shutil.copytree(STATE, run, dirs_exist_ok=True, ignore=shutil.ignore_patterns('*.jsonl'))


def pack(run, out):
    for name, starts in PARTS.items():
        with tarfile.open(os.path.join(out, name + '.tmp'), 'w') as t:
            for d in ('', 'ckpts'):
                for f in sorted(os.listdir(os.path.join(run, d))) if os.path.isdir(os.path.join(run, d)) else []:
                    if f.startswith(starts) and f.endswith(('.json', '.safetensors')) and ('sprout_text' not in f or name == 'state-t.tar'):
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
                base = os.path.basename(m.name)
                root = STATE if base.startswith(('heads', 'status')) else TEXT if 'sprout_text' in base else MODEL
                path = os.path.join(root, m.name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, 'wb') as f:
                    f.write(data)
    with tarfile.open(os.path.join(src, 'logs.tar')) as t:
        for m in t.getmembers():
            if m.name.endswith('.jsonl'):
                with open(os.path.join(STATE, os.path.basename(m.name)), 'ab') as f:
                    f.write(t.extractfile(m).read())


class Session:
    def __init__(self, a):
        import torch
        self.a, self.logs = a, os.path.join(a.run, 'logs')
        os.makedirs(a.out, exist_ok=True)
        restore(a.run)
        os.makedirs(self.logs, exist_ok=True)
        self.gpus, self.end = max(1, torch.cuda.device_count()), time.time() + 60 * a.minutes
        if torch.cuda.is_available():
            print(torch.cuda.get_device_name(0), self.gpus, 'torch', torch.__version__, flush=True)
            sys.path.insert(0, HERE)
            from sprout import objects
            objects.lib(True)                                                  # compile the kernels once

    def launch(self, cmd, name, log, limit, ready=0., **env):
        """Return code of a stage; it and all its children are stopped after `limit` seconds, or if it has not begun to train after `ready` seconds."""
        lines = os.path.join(self.logs, name + '.jsonl')
        seen, t = os.path.getsize(lines) if os.path.exists(lines) else 0, time.time()

        def begun():
            with open(lines if os.path.exists(lines) else os.devnull) as q:
                q.seek(seen)
                return '"prepared"' in q.read()

        with open(log, 'a') as f:
            p = subprocess.Popen(cmd, env=dict(os.environ, PYTHONUNBUFFERED='1', **env), stdout=f, stderr=subprocess.STDOUT, start_new_session=True)
            while p.poll() is None:
                time.sleep(.5)
                late = ready and time.time() - t > ready and not begun()
                if ready and time.time() - t > ready:
                    ready = 0.
                if late or time.time() - t > limit:
                    os.killpg(p.pid, signal.SIGKILL)
                    p.wait()
                    return 'did not start' if late else 'timeout'
        return p.returncode

    def stage(self, i, s):
        """One stage of lane i, e.g. "flow:300,seed=2"."""
        many = s.startswith('*')
        name, rest = s.lstrip('*').split(':', 1)
        seconds, *kw = rest.split(',')
        left, run = self.end - time.time(), self.a.run
        if left < 15:
            print('no time for', s, flush=True)
            return
        if name == 'evaluate_text':
            cmd = [sys.executable, os.path.join(HERE, 'evaluate_text.py'), '--model', run, '--json', os.path.join(self.logs, 'evaluate_text.json'), *(x for k in kw for x in ('--' + k).replace(';', ',').split('=', 1))]
        elif name == 'evaluate':
            cmd = [sys.executable, os.path.join(HERE, 'evaluate.py'), '--model', run, '--mesh', '64', '--json', os.path.join(self.logs, 'evaluate.json'),
                   '--sheet', os.path.join(self.a.out, 'sheet.png')]
        else:
            cmd = [sys.executable, os.path.join(HERE, 'train.py'), name, '--seconds', seconds, '--state', run, '--out', self.logs, *kw]
        t, log, limit = time.time(), os.path.join(self.logs, f'{name}.{i}.txt'), min(left, float(seconds) + self.a.grace)
        if many:
            rc = self.launch(cmd + ['--gpus', str(self.a.ranks or self.gpus)], name, log, limit, 150.)
        else:
            rc = self.launch(cmd, name, log, limit, CUDA_VISIBLE_DEVICES=str(i % self.gpus))
        print(f'lane {i} {s}: rc {rc}, {time.time() - t:.0f} s', flush=True)
        if rc or name.startswith('evaluate'):
            with open(log) as f:
                print(f.read()[-(9000 if name == 'evaluate_text' else 2500):], flush=True)
        left = self.end - time.time()
        if many and rc == 'did not start' and left > 60:
            print('again on one GPU', flush=True)
            self.stage(self.gpus - 1, ','.join([f'{name}:{min(float(seconds), left - 40):.0f}', *kw]))

    def lane(self, i, stages):
        for s in stages.split():
            try:
                self.stage(i, s)
            except Exception as e:
                print(f'lane {i} {s}: {e!r}', flush=True)

    def run(self):
        last = time.time()
        for phase in ' '.join(shlex.quote(x) if x != '/' else x for x in self.a.lanes).split(' / '):
            ts = [threading.Thread(target=self.lane, args=(i, s), daemon=True) for i, s in enumerate(shlex.split(phase))]
            for t in ts:
                t.start()
            while any(t.is_alive() for t in ts) and time.time() < self.end + 5:
                time.sleep(.5)
                if time.time() - last > 30:
                    pack(self.a.run, self.a.out)
                    last = time.time()
        pack(self.a.run, self.a.out)
        for f in sorted(os.listdir(self.logs)):
            if f.endswith('.jsonl'):
                with open(os.path.join(self.logs, f)) as q:
                    print(f, *[x[:600] for x in q.read().splitlines()[-4:]], sep='\n', flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--out')
    p.add_argument('--unpack')
    p.add_argument('--minutes', type=float, default=9.)
    p.add_argument('--run', default='/tmp/sprout-run')
    p.add_argument('--grace', type=float, default=150., help='seconds that a stage may need beside its training before it is stopped')
    p.add_argument('--ranks', type=int, default=0, help='processes of a stage with a star, if not one per GPU')
    p.add_argument('lanes', nargs='*')
    a = p.parse_intermixed_args()
    if a.unpack:
        return unpack(a.unpack)
    Session(a).run()


if __name__ == '__main__':
    main()
