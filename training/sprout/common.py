"""What every stage needs: device, precision, log, clock, state on disk."""
import json
import os
import sys
import time

import torch

from . import checkpoint as ck

DEV = 'cuda' if torch.cuda.is_available() else 'cpu'
CUDA = DEV == 'cuda'


def amp():
    return torch.autocast(DEV, torch.bfloat16, enabled=CUDA, cache_enabled=False)   # a captured step must not cache casts


def plain_attention():
    """Not cuDNN's: it plans anew for every shape (40 ms), and in a compiled and captured step the image encoder unlearned with it."""
    if CUDA and hasattr(torch.backends.cuda, 'enable_cudnn_sdp'):
        torch.backends.cuda.enable_cudnn_sdp(False)


def setup(seed=0):
    torch.manual_seed(seed)
    if CUDA:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
        plain_attention()
        try:
            torch._dynamo.config.cache_size_limit = 64
        except Exception:
            pass


def sync():
    if CUDA:
        torch.cuda.synchronize()
    return time.time()


class Log:
    """One JSON object per line, kept and appended over sessions."""
    def __init__(self, out, stage, quiet=False):
        os.makedirs(out, exist_ok=True)
        self.path, self.stage, self.start, self.quiet = os.path.join(out, stage + '.jsonl'), stage, time.time(), quiet

    def __call__(self, **kw):
        if self.quiet:
            return
        kw = {k: (round(v, 5) if isinstance(v, float) else [round(q, 5) if isinstance(q, float) else q for q in v] if isinstance(v, list) else v) for k, v in kw.items()}
        line = json.dumps(dict(stage=self.stage, at=round(time.time() - self.start, 1), **kw))
        print(line, flush=True)
        with open(self.path, 'a') as f:
            f.write(line + '\n')


def fast(m, on=True):
    """torch.compile in place where it works."""
    if on and CUDA and hasattr(m, 'compile'):
        m.compile(dynamic=False)
    return m


def module(state, name, trained=True):
    """From the checkpoint folder if it holds a trained one, else fresh."""
    m = ck.load(state, name) if trained and ck.has(state, name) else ck.build(name)
    return m.to(DEV)


def status(state, **kw):
    """Seconds and samples a module has been trained, kept beside the checkpoint."""
    path = os.path.join(state, 'status.json')
    s = {}
    if os.path.exists(path):
        with open(path) as f:
            s = json.load(f)
    for k, v in kw.items():
        d = s.setdefault(k, {'seconds': 0., 'samples': 0, 'sessions': 0})
        d['seconds'], d['samples'], d['sessions'] = round(d['seconds'] + v[0], 1), d['samples'] + v[1], d['sessions'] + 1
    if kw:
        with open(path + f'.{os.getpid()}', 'w') as f:
            json.dump(s, f, indent=1)
        os.replace(path + f'.{os.getpid()}', path)
    return s


def wait_for(path, seconds=600):
    t = time.time()
    while not os.path.exists(path):
        if time.time() - t > seconds:
            sys.exit(f'{path} did not appear')
        time.sleep(.2)


def touch(path):
    with open(path, 'w') as f:
        f.write('')


def profile(f, n=3):
    """Prints where n calls of f spend the GPU's time."""
    from torch.profiler import ProfilerActivity, profile as prof
    with prof(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as p:
        t = sync()
        for _ in range(n):
            f()
        t = sync() - t
    print(f'{1e3 * t / n:.1f} ms per call under the profiler')
    rows = p.key_averages()
    key = 'self_device_time_total' if hasattr(rows[0], 'self_device_time_total') else 'self_cuda_time_total'
    print(rows.table(sort_by=key, row_limit=28, max_name_column_width=90), flush=True)
