"""The PyTorch modules against golden forwards of the public implementation (float32).

    ESPALIER_GOLDEN=FOLDER python3 -m pytest tests/test_golden.py      (or: python3 tests/test_golden.py)

FOLDER holds cases/, manifests/ and synth.py. Without it the tests are reported as skipped."""
import json
import os
import sys
import tempfile
import unittest

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from sprout import checkpoint as ck, nets, slat  # noqa: E402
from sprout.sparse import Voxels  # noqa: E402

CANDIDATES = [os.environ.get('ESPALIER_GOLDEN', ''), os.path.join(HERE, '..', '..', 'tests', 'golden')]
GOLDEN = next((p for p in CANDIDATES if p and os.path.exists(os.path.join(p, 'synth.py'))), None)


@unittest.skipIf(GOLDEN is None, 'golden data not found (set ESPALIER_GOLDEN)')
class Golden(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        sys.path.insert(0, GOLDEN)
        import synth
        cls.synth, cls.dir = synth, tempfile.mkdtemp()
        with open(os.path.join(GOLDEN, 'manifests', 'nano.json')) as f:
            cls.manifest = json.load(f)

    def module(self, name, make):
        name = 'ckpts/' + name
        self.synth.write_checkpoint(self.manifest, name, self.dir, self.manifest['seed'])
        args = self.manifest['checkpoints'][name]['json']['args']
        arrays = {k: v for k, v in self.synth.load(os.path.join(self.dir, name + '.safetensors')).items()}
        return ck.load_into(make(**args), arrays).eval()

    def case(self, name):
        def read(v):
            return torch.from_numpy(np.array(v))
        return {k: read(v) for k, v in self.synth.load(os.path.join(GOLDEN, 'cases', name + '.safetensors')).items()}

    def close(self, got, want, tol=1e-4):
        self.assertEqual(tuple(got.shape), tuple(want.shape))
        err = ((got - want).abs().max() / want.pow(2).mean().sqrt()).item()
        self.assertLess(err, tol)

    def voxels(self, c, n=None):
        c = c.long()
        return Voxels(c[:, 0].contiguous(), c[:, 1:].contiguous(), n or int(c[:, 0].max()) + 1)

    @torch.no_grad()
    def test_ss_flow(self):
        c, m = self.case('ss_flow_p1'), self.module('ss_flow_img_dit_nano_fp16', nets.SparseStructureFlowModel)
        for i in range(3):
            self.close(m(c['x'], c['t'][i:i + 1], c['cond']), c[f'y{i}'])

    @torch.no_grad()
    def test_image_encoder(self):
        c, m = self.case('dinov2'), self.module('dinov2_nano14_reg', nets.DinoVisionTransformer)
        x = torch.from_numpy(self.synth.unit('input/nano', 'dino_a', (1, 3, 518, 518)))
        x = x.view(1, 3, 37, 14, 37, 14).permute(0, 2, 4, 1, 3, 5).reshape(1, 37 * 37, -1)
        self.close(m.condition(x)[0, ::2], c['a.cond.rows2'], 2e-4)

    @torch.no_grad()
    def test_ss_decoder(self):
        c, m = self.case('ss_decoder'), self.module('ss_dec_conv3d_nano_fp16', nets.SparseStructureDecoder)
        self.close(m(c['z']), c['y'])

    @torch.no_grad()
    def test_ss_encoder(self):
        c, m = self.case('ss_encoder'), self.module('ss_enc_conv3d_nano_fp16', nets.SparseStructureEncoder)
        o = torch.zeros(1, 1, *[c['mean'].shape[-1] * 4] * 3)
        o[0, 0][tuple(c['occupied'].long().t())] = 1
        mean, logvar = m(o).chunk(2, 1)
        self.close(mean, c['mean']), self.close(logvar, c['logvar'])

    @torch.no_grad()
    def test_slat_flow(self):
        m = self.module('slat_flow_img_dit_nano_fp16', slat.SLatFlowModel)
        c = self.case('slat_flow')
        for i in range(2):
            self.close(m(c['x'], c['t'][i:i + 1], c['cond'], self.voxels(c['coords'])), c[f'y{i}'])
        c = self.case('slat_flow_batch')
        self.close(m(c['x'], c['t'], c['cond'], self.voxels(c['coords'], 2)), c['y'])

    @torch.no_grad()
    def test_decoders(self):
        c, m = self.case('gs_decoder'), self.module('slat_dec_gs_nano_fp16', slat.SLatGaussianDecoder)
        v = self.voxels(c['coords'])
        self.close(m.offset_perturbation, c['offset_perturbation'])
        y = m(c['slat'], v)
        self.close(y, c['raw'])
        c, m = self.case('mesh_decoder'), self.module('slat_dec_mesh_nano_fp16', slat.SLatMeshDecoder)
        self.close(m(c['slat'], self.voxels(c['coords'])), c['raw'])
        c, m = self.case('rf_decoder'), self.module('slat_dec_rf_nano_fp16', slat.SLatRadianceFieldDecoder)
        self.close(m(c['slat'], self.voxels(c['coords'])), c['raw'])

    def test_sampler(self):
        c, m = self.case('ss_sampler'), self.module('ss_flow_img_dit_nano_fp16', nets.SparseStructureFlowModel)

        def f(x, t, on):
            with torch.no_grad():
                return m(x, torch.tensor([1000. * t]), c['cond'] if on else c['cond'] * 0)
        self.close(nets.euler(f, c['noise'], 8, 7.5, 3.), c['samples'], 1e-3)


if __name__ == '__main__':
    unittest.main()
