"""Small checks of data, networks, losses and the checkpoint layout; CPU, well under two minutes.   python3 -m pytest tests   or   python3 tests/test_sprout.py"""
import gzip
import json
import os
import random
import struct
import sys
import tempfile
import unittest

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import average, held_out, repatch  # noqa: E402
from sprout import captions as cp, checkpoint as ck, data, flat, nets, objects as ob, sparse, splat, train_slat, train_ss, train_text  # noqa: E402


def thin(n=2):
    """Objects with few voxels."""
    o, _ = ob.draw(42, 3, 'cpu')
    c = ob.cells(o).flatten(1).sum(1).float()
    return o[c.argsort()[:n]].contiguous()


class Data(unittest.TestCase):
    def test_families(self):
        self.assertGreaterEqual(len({f.__name__ for f in ob.KNOWN}), 30)

    def test_same_seed_same_objects(self):
        a, b = ob.draw(21, 5, 'cpu')[0], ob.draw(21, 5, 'cpu')[0]
        self.assertTrue(torch.equal(a, b))
        self.assertFalse(torch.equal(a, ob.draw(21, 6, 'cpu')[0]))

    def test_evaluation_sets_are_those_on_file(self):
        for name, kinds in held_out.SETS.items():
            objs, fam, views, cams = held_out.evaluation_set(*kinds)
            f = ck.read_safetensors(os.path.join(held_out.FOLDER, name))
            self.assertTrue(torch.allclose(torch.tensor(f['objects']), objs, atol=1e-6))
            self.assertTrue(torch.equal(torch.tensor(f['views']), views))
            self.assertTrue(torch.allclose(torch.tensor(f['cameras']), cams, atol=.02))   # framed by a small image: a pixel may flip
            self.assertEqual(any(ob.KNOWN[k] is ob.pile for k in fam.tolist()), kinds[0] is ob.FAMILIES)
            self.assertEqual(bool((objs[:, :, 22] > 0).any()), kinds[1] > 0)

    def test_nudged_objects_keep_their_shape(self):
        o = ob.draw(21, 5, 'cpu')[0][:4].contiguous()
        torch.manual_seed(0)
        q = ob.nudge(o, size=.04, shift=0., turn=0.)
        s = (q[:, 0, 15] / o[:, 0, 15])
        p = torch.rand(4, 50, 3) - .5
        who = torch.arange(4, dtype=torch.int32).repeat_interleave(50)
        a = ob.points(o, who, p.reshape(-1, 3).contiguous()).view(4, 50)
        b = ob.points(q.contiguous(), who, (p * s.view(-1, 1, 1)).reshape(-1, 3).contiguous()).view(4, 50)
        self.assertTrue(torch.allclose(b, a * s[:, None], atol=1e-4))
        turned = ob.nudge(o, size=0., shift=0., turn=.06)
        axes = turned[:, 0, 6:15].view(-1, 3, 3)
        self.assertTrue(torch.allclose(axes @ axes.transpose(1, 2), torch.eye(3).expand(4, 3, 3), atol=1e-5))

    def test_fitted_and_visible(self):
        o, _ = ob.draw(21, 5, 'cpu')
        occ = ob.cells(o) > 0
        for k in range(len(o)):
            q = occ[k].nonzero()
            side = (q.amax(0) - q.amin(0) + 1).max().item() / 64
            self.assertTrue(.8 < side <= 1, side)
        img = ob.images(o, torch.arange(21, dtype=torch.int32), ob.views(21, torch.Generator().manual_seed(1)), 74)
        share = (img[..., 3] > 0).float().mean((1, 2))
        self.assertTrue((share > .02).all() and (share < .8).all())

    def test_patterns_colour_what_they_say(self):
        red, blue, half = [1., 0, 0], [0., 0, 1.], [.4, .2, .1]
        def colour(code, kind, *p):
            o = torch.zeros(1, ob.K, ob.P)
            o[:, :, 0] = -1
            o[0, 0, :19] = torch.tensor([kind, 0, .05, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, *half, 0])
            o[0, 0, 19:24] = torch.tensor([*red, code, 255.])
            return ob.points(o, torch.zeros(1, dtype=torch.int32), torch.tensor([p]), True)[0, 4:].tolist()
        stripe = 1 + 8 * 4                                                      # .1 wide along x, borders at odd multiples of .05
        for x in (-.39, -.21, -.12, 0., .04, .06, .14, .16, .3, .39):
            self.assertEqual(colour(stripe, ob.BOX, x, .1, .05), blue if round(x / .1) % 2 else red, x)
        check = 2 + 8 * 4
        for p in ((0., 0., .1), (.1, 0., .1), (.1, .1, .1), (-.1, .2, 0.), (.3, -.2, -.1)):
            self.assertEqual(colour(check, ob.BOX, *p), blue if sum(round(x / .1) for x in p) % 2 else red, p)
        self.assertEqual([colour(3 + 8, ob.ELL, x, 0., 0.) for x in (-.3, .1, .3)], [red, red, blue])
        self.assertEqual([colour(4 + 8, ob.BOX, *p) for p in ((0., -.2, 0.), (0., .2, 0.), (.3, -.2, 0.), (.1, -.2, .09), (.2, -.1, -.04))], [blue, red, red, red, blue])
        self.assertEqual(colour(1 + 8 * 2, ob.CONE, 0., 0., .0), red)
        self.assertEqual(colour(0, ob.BOX, .2, 0., 0.), red)

    def test_patterns_leave_the_shape(self):
        plain, fam = ob.draw(39, 5, 'cpu', ob.PATTERNED)
        painted, again = ob.draw(39, 5, 'cpu', ob.PATTERNED, .6)
        self.assertTrue(torch.equal(fam, again))
        self.assertTrue(torch.equal(plain[:, :, :22], painted[:, :, :22]))
        self.assertEqual(plain[:, :, 22:].abs().max().item(), 0)
        share = (painted[:, :, 22] > 0).any(1).float().mean().item()
        self.assertTrue(.4 < share < .8, share)
        code = painted[:, :, 22][painted[:, :, 22] > 0].long()
        self.assertEqual(sorted(set((code % 8).tolist())), [1, 2, 3, 4])
        self.assertTrue(((code // 8 >= 1) & (code // 8 <= 8)).all())
        self.assertTrue(torch.equal(painted[:, :, 23], painted[:, :, 23].round()) and painted[:, :, 23].max() < 2 ** 24)

    def test_training_never_draws_held_out_seeds(self):
        for seed in range(3):
            self.assertGreaterEqual(train_ss.seed_of(seed), 1000)
        fam = ob.draw(64, 5, 'cpu', ob.HARD + ob.NEW)[1]
        self.assertTrue(any(ob.KNOWN[k] in ob.NEW for k in fam.tolist()))

    def test_surface(self):
        S = data.Surface(thin())
        x, r = S.nearest(S.mid[:, None])
        self.assertLess(r[..., 0].abs().median().item() * 64, .02)
        d, mid = S.fine()
        self.assertEqual(d.shape, (64 * len(S.mid), 8))
        # the cell's centre is the mean of its corners, up to curvature
        self.assertLess((d.mean(1) - mid[:, 0] * 64).abs().median().item(), .02)
        # corner 1 is the neighbour in x
        c = S.mid[0] - 1.5 / 64 / 4 - .5 / 256
        want = ob.points(S.objs, torch.zeros(2, dtype=torch.int32), torch.stack([c, c + torch.tensor([1 / 256, 0, 0])]).contiguous()) * 64
        self.assertTrue(torch.allclose(d[0, :2], want, atol=1e-4))


class Nets(unittest.TestCase):
    def test_conv_gradient(self):
        torch.manual_seed(0)
        q = (torch.rand(5, 5, 5) < .4).nonzero()
        v = sparse.Voxels(torch.zeros(len(q), dtype=torch.long), q, 1)
        x, w = torch.randn(len(q), 4, requires_grad=True), torch.randn(6, 27, 4, requires_grad=True)
        dense = torch.zeros(1, 4, 64, 64, 64)
        dense[0, :, q[:, 0], q[:, 1], q[:, 2]] = x.detach().t()
        dense.requires_grad_()
        wd = w.detach().view(6, 3, 3, 3, 4).permute(0, 4, 1, 2, 3).contiguous().requires_grad_()
        want = F.conv3d(dense, wd, padding=1)[0][:, q[:, 0], q[:, 1], q[:, 2]].t()
        got = sparse._Conv.apply(x, v.nb, w)
        g = torch.randn_like(got)
        got.backward(g), want.backward(g)
        self.assertTrue(torch.allclose(got, want, atol=1e-4))
        self.assertTrue(torch.allclose(x.grad, dense.grad[0][:, q[:, 0], q[:, 1], q[:, 2]].t(), atol=1e-4))
        self.assertTrue(torch.allclose(w.grad, wd.grad.permute(0, 2, 3, 4, 1).reshape(6, 27, 4), atol=1e-3))

    def test_gather_kernel(self):
        x, nb = torch.randn(50, 8), torch.randint(0, 51, (30, 27), dtype=torch.int32)
        out = torch.empty(30, 27 * 8)
        ob.call('sdf_gather', nb.numel() * 2, x, nb, 2, 50, out)
        self.assertTrue(torch.equal(out, sparse.gather(x, nb)))

    def test_child_neighbours(self):
        q = (torch.rand(6, 6, 6) < .5).nonzero()
        b = torch.zeros(len(q), dtype=torch.long)
        nb = sparse.child_neighbours(sparse.neighbours(b, q, 1, 64))
        fine = (2 * q[:, None] + sparse.CHILD).reshape(-1, 3)
        self.assertTrue(torch.equal(nb, sparse.neighbours(b.repeat_interleave(8), fine, 1, 128)))

    def test_optimiser_learns(self):
        torch.manual_seed(0)
        m = torch.nn.ModuleDict({'blocks': torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.GELU(), torch.nn.Linear(64, 32)), 'out': torch.nn.Linear(32, 4)})
        w = torch.randn(32, 4)
        tr = flat.Trainer([flat.Group([m], 3e-3, 1e-2)], 'cpu', ema=.9)
        def losses():
            x = torch.randn(64, 32)
            return (F.mse_loss(m['out'](m['blocks'](x)), (x @ w).tanh()),)
        tr.prepare(losses, False)
        first = losses()[0].item()
        for i in range(150):
            tr.step([flat.schedule(i / 150)])
        tr.swap()
        self.assertLess(losses()[0].item(), .4 * first)

    def test_orthogonalise(self):
        s = torch.linalg.svdvals(flat.orthogonalise(torch.randn(3, 32, 64)))
        self.assertTrue((s > .5).all() and (s < 1.5).all())


class Slat(unittest.TestCase):
    def test_decoder_losses_and_targets(self):
        S = data.Surface(thin(1))
        z = S.latent()
        mesh, gs, rf = (ck.build(k) for k in ('mesh', 'gs', 'rf'))
        y, g, r = mesh(z, S.V), gs(z, S.V), rf(z, S.V)
        loss = sum(train_slat.mesh_loss(y, S)) + train_slat.gs_loss(gs, g, S) + train_slat.rf_loss(rf, r, S)
        loss.backward()
        self.assertTrue(torch.isfinite(loss))
        for m in (mesh, gs, rf):
            self.assertTrue(all(p.grad is not None and torch.isfinite(p.grad).all() for p in m.parameters()))
        # a perfect answer has no loss
        d, mid = S.fine()
        col = torch.cat([mid[:, 4:7], mid[:, 1:4] / 2 + .5], 1).clamp(1e-4, 1 - 1e-4)
        best = torch.cat([d.clamp(-1, 1), torch.zeros(len(d), 45), torch.logit(col).repeat(1, 8)], 1)
        self.assertTrue(all(l.item() < 1e-3 for l in train_slat.mesh_loss(best, S)))
        self.assertIn('sdf_error', train_slat.mesh_loss(best, S, True))
        train_slat.gs_loss(gs, g, S, True), train_slat.rf_loss(rf, r, S, True)

    def test_voxel_scores(self):
        g = torch.zeros(2, 1, 64, 64, 64)
        g[:, 0, 10:20, 30, 30] = 1
        p = torch.zeros_like(g)
        p[0, 0, 10:15, 31, 30] = 1                                              # beside the first half: what is within one voxel of it counts
        p[1] = g[1]
        iou, f, missing = train_ss.scores(p, g)
        self.assertEqual(iou.tolist(), [0., 1.])
        self.assertTrue(torch.allclose(missing, torch.tensor([.4, 0.])))
        self.assertTrue(torch.allclose(f, torch.tensor([2 * .6 / 1.6, 1.])))

    def test_latents_in_a_thread(self):
        enc, objs = ck.build('ss_enc'), thin(2)
        L = train_ss.Latents(enc, objs)
        L.wait()
        o = ob.cells(objs)[:, None].float()
        self.assertTrue(torch.equal(L.lat, train_ss.mean_logvar(enc, o)[0].bfloat16()))
        self.assertTrue(torch.equal(L.coarse, F.max_pool3d(o, 4).flatten(1).byte()))
        with self.assertRaises(TypeError):
            train_ss.Latents(lambda x: None + x, objs).wait()

    def test_splats(self):
        cam = splat.orbit(0., 0.)
        one = lambda x, a, c: (torch.tensor([x]), torch.tensor([c]), torch.full((1, 3), .2), torch.tensor([[1., 0, 0, 0]]), torch.tensor([a]))
        near, far = one([0., -.2, 0.], .6, [1., 0, 0]), one([0., .2, 0.], .9, [0., 1, 0])
        img = splat.render(*(torch.cat([b, a]) for a, b in zip(near, far)), cam, 32)
        self.assertTrue(torch.allclose(img[16, 16], torch.tensor([.6, .36, 0, .96]), atol=.03))
        self.assertEqual(splat.psnr(img, img), 99.)

    def test_flow_sees_the_image(self):
        S = data.Surface(thin(2), .1)
        f = ck.build('slat_flow')
        for p in f.parameters():
            if not p.abs().max():
                torch.nn.init.normal_(p, std=.05)
        x, c = torch.randn(len(S.mid), 8), torch.randn(2, ck.build('dino').pos_embed.shape[1] + 4, 192)
        with torch.no_grad():
            a, b = f(x, torch.full((2,), 500.), c, S.V), f(x, torch.full((2,), 500.), c.flip(0), S.V)
        self.assertEqual(a.shape, x.shape)
        self.assertGreater((a - b).abs().max().item(), 1e-4)


TEXT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'models', 'sprout-text')


class Captions(unittest.TestCase):
    def test_every_draw_has_its_meaning(self):
        kinds = {'C': 'c', 'L': 'u', 'B': 'p', 'P': 'p'}
        for f in cp.FAMILIES:
            b = cp.kit(f, 3, torch.Generator().manual_seed(1))
            f(b)
            self.assertEqual(len(b.drawn), len(cp.SPEC[f.__name__].split()), f.__name__)
            for i, letter, part, *_ in cp.entries(f.__name__):
                self.assertEqual(b.drawn[i][0], kinds[letter], (f.__name__, part))
            self.assertLessEqual(len(cp.entries(f.__name__)), cp.SLOTS)

    def test_captions_follow_the_object(self):
        values = [.9, .1, .5, cp.COLOURS.index('blue'), .0, cp.COLOURS.index('red'), .5, 0, .5, .5]
        kind, fs = cp.facts('mug', values)
        text, told = cp.caption(kind, fs, random.Random(3), True)
        self.assertEqual(len(told), len(fs))
        for word in ('blue', 'very wide', 'very low', 'red inside', 'very narrow foot', 'no handle'):
            self.assertIn(word, text.replace('extremely', 'very').replace(',', ''))
        values[7] = 1
        text = cp.caption(*cp.facts('mug', values), random.Random(3), True)[0]
        self.assertIn('handle', text)
        self.assertNotIn('no handle', text)
        self.assertNotIn('inside', text)

    def test_the_reduced_tokenizer_spells_as_the_whole_one(self):
        path = os.path.join(os.path.dirname(cp.__file__), '..', '..', 'src', 'text', 'merges.txt.gz')
        whole = cp.Tokenizer([tuple(x.split(' ')) for x in gzip.open(path, 'rt', encoding='utf-8').read().split('\n')[1:] if x])
        self.assertEqual(whole.size, 49408)
        self.assertEqual(whole('a chair')[:4], [49406, 320, 4269, 49407])       # ids of CLIP
        small = cp.tokenizer()
        names = [{i: t for t, i in k.ids.items()} for k in (whole, small)]
        for w in cp.all_words():
            self.assertEqual([names[0][i] for i in whole.word(w)], [names[1][i] for i in small.word(w)], w)

    def test_captions_fit(self):
        rng, tok = random.Random(1), cp.tokenizer()
        _, notes = cp.make(len(cp.FAMILIES) * 8, 5)
        self.assertLessEqual(max(tok(cp.caption(*cp.facts(*x), rng, True)[0], 200).index(tok.end) for x in notes), 76)

    def test_held_out_captions_are_those_on_file(self):
        objs, notes, text = held_out.text_set()
        path = os.path.join(held_out.FOLDER, 'held_out_text.safetensors.gz')
        f = ck.read_safetensors(path)
        self.assertTrue(torch.allclose(torch.tensor(f['objects']), objs, atol=1e-6))
        with gzip.open(path, 'rb') as q:
            head = json.loads(q.read(struct.unpack('<Q', q.read(8))[0]))['__metadata__']
        self.assertEqual(head['captions'].split('\n'), text)
        self.assertTrue((f['named'][:, 0] >= 0).all())

    def test_the_checkpoint_has_this_tokenizer(self):
        with open(os.path.join(TEXT, 'ckpts', 'vocab.json'), encoding='utf-8') as f:
            self.assertEqual(json.load(f), cp.tokenizer().ids)
        self.assertEqual(ck.load(TEXT, 'clip').text_model.embeddings.token_embedding.num_embeddings, cp.tokenizer().size)
        self.assertLess(ck.size(TEXT), 6 * 2 ** 20)

    def test_the_text_encoder_knows_what_captions_say(self):
        """Of two captions that differ in one word, states differ from that word on, and not before it."""
        tower, tok = ck.load(TEXT, 'clip').eval(), cp.tokenizer()
        with torch.no_grad():
            a, b = tower(torch.tensor([tok('a red chair with blue legs'), tok('a red chair with green legs')]))
        gap = (a - b).abs().amax(1)
        self.assertLess(gap[:5].max().item(), 1e-4)
        self.assertGreater(gap[5:9].min().item(), .05)

    def test_a_stage_learns(self):
        with tempfile.TemporaryDirectory() as d:
            train_text.train_tower(d, d, 1., objects=len(cp.FAMILIES), variants=1, batch=4, compile=False)
            self.assertTrue(ck.has(d, 'clip') and os.path.exists(os.path.join(d, 'tower.done')))

    def test_rare_colours_weigh_more(self):
        """One voxel in a hundred is red in the first object, all are in the second."""
        colours, which = torch.zeros(150, 3), torch.cat([torch.zeros(100), torch.ones(50)]).long()
        colours[0], colours[100:] = torch.tensor([1., -1, -1]), torch.tensor([1., -1, -1])
        w = train_text.rarity(colours, which, .5)
        self.assertAlmostEqual(w.mean().item(), 1, places=5)
        self.assertAlmostEqual((w[0] / w[1]).item(), 5 / (100 / 99) ** .5, places=3)
        self.assertAlmostEqual((w[100] / w[1]).item(), (99 / 100) ** .5, places=4)
        self.assertTrue((train_text.rarity(colours, which, 0.) == 1).all())


class Checkpoint(unittest.TestCase):
    def test_round_trip_and_size(self):
        with tempfile.TemporaryDirectory() as d:
            for k in ck.MODULES:
                torch.manual_seed(1)
                m = ck.build(k)
                ck.save(d, k, m)
                back = ck.load(d, k)
                for (n, a), b in zip(m.state_dict().items(), back.state_dict().values()):
                    self.assertTrue(torch.allclose(a, b, rtol=1e-3, atol=1e-4), n)
            ck.write_pipeline(d, [0] * 8, [1] * 8)
            self.assertLess(ck.size(d), 28 * 2 ** 20)                            # of both checkpoints
            with open(os.path.join(d, 'pipeline.json')) as f:
                p = json.load(f)['args']
            for v in p['models'].values():
                self.assertTrue(os.path.exists(os.path.join(d, v + '.safetensors')) and os.path.exists(os.path.join(d, v + '.json')))
            for s in ('sparse_structure_sampler', 'slat_sampler'):
                self.assertLessEqual(p[s]['params']['steps'], 12)

    def test_rounded_weights(self):
        with tempfile.TemporaryDirectory() as d:
            path, w = os.path.join(d, 'w.safetensors'), {'a.weight': torch.randn(40, 192).numpy(), 'a.bias': torch.randn(40).numpy()}
            w['a.weight'][3] = 0
            ck.write_rounded(path, w)
            self.assertLess(os.path.getsize(path), 40 * 192 + 1000)
            back = ck.read_rounded(path)
            self.assertEqual(set(back), set(w))
            worst = abs(back['a.weight'] - w['a.weight']) / abs(w['a.weight']).max(1, keepdims=True).clip(1e-9)
            self.assertLess(worst.max(), .5 / 127 + 1e-5)
            self.assertLess(abs(back['a.bias'] - w['a.bias']).max(), 2e-3)
            ck.write_safetensors(path, w)
            self.assertTrue((ck.read_rounded(path)['a.weight'] == w['a.weight']).all())

    def test_average_of_two_checkpoints(self):
        a, b = {'w': torch.ones(2, 2).half().numpy(), 'b': torch.zeros(2).numpy()}, {'w': torch.full((2, 2), 3.).half().numpy(), 'b': torch.ones(2).numpy()}
        c = average.average(a, b, .25)
        self.assertEqual([c['w'].dtype, c['b'].dtype], [a['w'].dtype, a['b'].dtype])
        self.assertEqual([c['w'][0, 0], c['b'][0]], [1.5, .25])
        with self.assertRaises(ValueError):
            average.average(a, {'w': b['w']}, .5)

    def test_patches(self):
        m = ck.build('dino')
        img = torch.randint(0, 256, (2, 518, 518, 3), dtype=torch.uint8)
        x = m.patches(img)
        mean, std = torch.tensor([.485, .456, .406]).view(1, 3, 1, 1), torch.tensor([.229, .224, .225]).view(1, 3, 1, 1)
        want = m.patch_embed.proj((img.permute(0, 3, 1, 2).float() / 255 - mean) / std).flatten(2).transpose(1, 2)
        w = F.pad(m.patch_embed.proj.weight.flatten(1), (0, x.shape[-1] - 3 * m.p ** 2))
        got = F.linear(torch.addcmul(m.shift, x.float(), m.scale), w, m.patch_embed.proj.bias)
        self.assertTrue(torch.allclose(got, want, atol=1e-4))

    def test_another_patch_size(self):
        with tempfile.TemporaryDirectory() as d:
            old = nets.DinoVisionTransformer(**{**ck.MODULES['dino'][3], 'patch_size': 37})
            with torch.no_grad():
                old.patch_embed.proj.weight.copy_(.01 * torch.randn(192, 3, 1, 1))
                old.pos_embed[:, 1:] = torch.arange(14.).repeat(14)[:, None]
            name = os.path.join(d, 'ckpts', 'dinov2_old_reg')
            ck.write_pipeline(d, [0] * 8, [1] * 8)
            with open(os.path.join(d, 'pipeline.json')) as f:
                text = f.read()
            with open(os.path.join(d, 'pipeline.json'), 'w') as f:
                f.write(text.replace(ck.MODULES['dino'][0], 'dinov2_old_reg'))
            os.makedirs(os.path.dirname(name))
            ck.write_safetensors(name + '.safetensors', ck.tensors_of(old))
            with open(name + '.json', 'w') as f:
                f.write('{}')
            heads = train_ss.Heads()
            ck.write_safetensors(os.path.join(d, 'heads.safetensors'), ck.tensors_of(heads, set()))
            self.assertEqual(repatch.repatch(d, d), 37)
            self.assertEqual(ck.read_pipeline(d)['image_cond_model'], ck.MODULES['dino'][0])
            self.assertEqual(sorted(os.listdir(os.path.join(d, 'ckpts'))), [ck.MODULES['dino'][0] + x for x in ('.json', '.safetensors')])
            new = ck.load(d, 'dino')
            self.assertEqual(new.pos_embed.shape, (1, 1370, 192))
            # an image of one colour looks the same, and the patches lie where they lay
            x = torch.full((1, 3, 518, 518), .5)
            a, b = (m.patch_embed.proj(x).mean((0, 2, 3)) for m in (old, new))
            self.assertTrue(torch.allclose(a, b, atol=.01 * a.std().item()))
            along = new.pos_embed[0, 1:].view(37, 37, 192)[18, 5:32]
            self.assertTrue(torch.allclose(along, ((torch.arange(5, 32) + .5) * 14 / 37 - .5)[:, None].expand(-1, 192), atol=.1))
            back = ck.load_into(train_ss.Heads(), ck.read_rounded(os.path.join(d, 'heads.safetensors')))
            self.assertTrue(torch.allclose(back.pose.weight, heads.pose.weight, atol=heads.pose.weight.abs().max().item() / 200))
            self.assertFalse(torch.allclose(back.see.weight, heads.see.weight, atol=1e-4))


if __name__ == '__main__':
    unittest.main()
