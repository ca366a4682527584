#!/usr/bin/env python3
"""Train one stage:   train.py vae|encoder|flow|decoders|slat_flow|tower|text_flow|text_slat_flow --seconds S [--state DIR] [--out DIR] [--gpus N] [key=value ...]

State (a checkpoint folder in the public layout, plus heads.safetensors and status.json) is read if it is there and written at the end;
logs go to OUT. Stages: vae -> (encoder) -> flow; decoders and slat_flow need no VAE; slat_flow needs the encoder.
Of the text checkpoint: tower -> text_flow, text_slat_flow; they need the VAE."""
import argparse
import inspect
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
HERE = os.path.dirname(os.path.abspath(__file__))


def worker(local, a, kw):
    if a.gpus > 1:
        os.environ['CUDA_VISIBLE_DEVICES'] = str(local)                        # before CUDA wakes up; the kernels of sdf.cu carry a runtime of their own
    import torch
    import torch.distributed as dist
    from sprout import common, train_slat, train_ss, train_text
    if a.gpus > 1:
        os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(a.port))
        dist.init_process_group('nccl' if common.CUDA else 'gloo', rank=local, world_size=a.gpus)
    common.setup(int(kw.get('seed', 0)))
    f = {'vae': train_ss.train_vae, 'encoder': train_ss.train_encoder, 'flow': train_ss.train_flow, 'decoders': train_slat.train_decoders, 'slat_flow': train_slat.train_slat_flow,
         'tower': train_text.train_tower, 'text_flow': train_text.train_text_flow, 'text_slat_flow': train_text.train_text_slat_flow}[a.stage]
    par = inspect.signature(f).parameters
    args = {}
    for k, v in kw.items():
        if k not in par:
            sys.exit(f'{a.stage} has no setting {k}; it has {sorted(par)}')
        args[k] = type(par[k].default)(int(v) if isinstance(par[k].default, bool) else v)
    f(a.state, a.out, a.seconds, **args)
    if a.gpus > 1:
        dist.barrier()                                                         # nobody leaves while another still waits for what it sent
        if common.CUDA:
            torch.cuda.synchronize()
            os._exit(0)
        dist.destroy_process_group()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('stage', choices=['vae', 'encoder', 'flow', 'decoders', 'slat_flow', 'tower', 'text_flow', 'text_slat_flow'])
    p.add_argument('--seconds', type=float, required=True)
    p.add_argument('--state', default=os.path.join(HERE, 'run'))
    p.add_argument('--out', default=os.path.join(HERE, 'run', 'logs'))
    p.add_argument('--gpus', type=int, default=1)
    p.add_argument('--port', type=int, default=29511)
    p.add_argument('settings', nargs='*')
    a = p.parse_intermixed_args()
    os.makedirs(a.state, exist_ok=True)
    kw = dict(s.split('=', 1) for s in a.settings)
    if a.gpus > 1:
        import torch.multiprocessing as mp
        mp.spawn(worker, (a, kw), a.gpus)
    else:
        worker(0, a, kw)


if __name__ == '__main__':
    main()
