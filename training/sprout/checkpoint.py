"""The public checkpoint layout: pipeline.json, ckpts/NAME.json, ckpts/NAME.safetensors. Written and read with numpy alone."""
import gzip
import json
import os
import struct

import numpy as np
import torch
import torch.nn as nn

from . import nets, slat
from .sparse import SparseConv3d

GAUSSIAN = {'lr': {'_xyz': 1.0, '_features_dc': 1.0, '_opacity': 1.0, '_scaling': 1.0, '_rotation': 0.1}, 'perturb_offset': True, 'voxel_size': 1.5, 'num_gaussians': 8,
            '2d_filter_kernel_size': 0.1, '3d_filter_kernel_size': 0.0009, 'scaling_bias': 0.004, 'opacity_bias': 0.1, 'scaling_activation': 'softplus'}
VAE = {'latent_channels': 8, 'num_res_blocks': 1, 'num_res_blocks_middle': 0}
SWIN = {'resolution': 64, 'latent_channels': 8, 'num_blocks': 2, 'attn_mode': 'swin', 'window_size': 8, 'use_fp16': True}
FLOW = {'in_channels': 8, 'out_channels': 8, 'cond_channels': 192, 'mlp_ratio': 4, 'patch_size': 2, 'pe_mode': 'ape', 'qk_rms_norm': True, 'use_fp16': True}
# short name -> (checkpoint, class name in its JSON, constructor, arguments)
MODULES = {
    'ss_enc': ('ss_enc_conv3d_sprout_fp16', 'SparseStructureEncoder', nets.SparseStructureEncoder, dict(in_channels=1, channels=[16, 32, 64], use_fp16=True, **VAE)),
    'ss_dec': ('ss_dec_conv3d_sprout_fp16', 'SparseStructureDecoder', nets.SparseStructureDecoder, dict(out_channels=1, channels=[64, 32, 16], use_fp16=True, **VAE)),
    'ss_flow': ('ss_flow_img_dit_sprout_fp16', 'SparseStructureFlowModel', nets.SparseStructureFlowModel,
                dict(resolution=16, model_channels=192, num_blocks=6, num_heads=3, share_mod=True, **FLOW)),
    'slat_flow': ('slat_flow_img_dit_sprout_fp16', 'SLatFlowModel', slat.SLatFlowModel,
                  dict(resolution=64, model_channels=96, num_blocks=4, num_heads=3, num_io_res_blocks=2, io_block_channels=[32], **FLOW)),
    'gs': ('slat_dec_gs_sprout_fp16', 'SLatGaussianDecoder', slat.SLatGaussianDecoder, dict(model_channels=128, num_heads=4, mlp_ratio=4, representation_config=GAUSSIAN, **SWIN)),
    'mesh': ('slat_dec_mesh_sprout_fp16', 'SLatMeshDecoder', slat.SLatMeshDecoder,
             dict(model_channels=256, num_heads=4, mlp_ratio=1, representation_config={'use_color': True}, **SWIN)),
    'rf': ('slat_dec_rf_sprout_fp16', 'SLatRadianceFieldDecoder', slat.SLatRadianceFieldDecoder,
           dict(model_channels=64, num_heads=2, mlp_ratio=4, representation_config={'rank': 8, 'dim': 8}, **SWIN)),
    'dino': ('dinov2_sprout14_reg', 'DinoVisionTransformer', nets.DinoVisionTransformer,
             dict(img_size=518, patch_size=14, embed_dim=192, depth=5, num_heads=3, mlp_ratio=4, num_register_tokens=4, init_values=1.0, interpolate_antialias=True, interpolate_offset=0.0)),
}
# The text checkpoint beside it has a text encoder and two flows of its own, and takes the decoders of sprout.
TEXT_FLOW = {**FLOW, 'cond_channels': 128}
TEXT_MODULES = {
    'clip': ('clip_sprout_text', 'CLIPTextModel', nets.ClipTextModel,
             dict(vocab_size=1125, hidden_size=128, num_hidden_layers=2, num_attention_heads=4, intermediate_size=256, max_position_embeddings=77, hidden_act='quick_gelu')),
    'ss_flow_txt': ('ss_flow_txt_dit_sprout_text_fp16', 'SparseStructureFlowModel', nets.SparseStructureFlowModel,
                    {**dict(resolution=16, model_channels=128, num_blocks=3, num_heads=4, share_mod=True), **TEXT_FLOW, 'mlp_ratio': 2}),
    'slat_flow_txt': ('slat_flow_txt_dit_sprout_text_fp16', 'SLatFlowModel', slat.SLatFlowModel,
                      {**dict(resolution=64, model_channels=64, num_blocks=4, num_heads=2, num_io_res_blocks=2, io_block_channels=[32]), **TEXT_FLOW, 'mlp_ratio': 2}),
}
IMAGE_MODULES = list(MODULES)
MODULES.update(TEXT_MODULES)
NP = {'F32': np.float32, 'F16': np.float16, 'I8': np.int8}


def build(name):
    _, _, make, args = MODULES[name]
    return make(**args)


def half_names(m):
    """What the reference converts to half: weights and biases of linear layers and convolutions in the torso. In the image encoder the patch embedding as well."""
    out = set()
    for n, x in m.named_modules():
        if isinstance(x, (nn.Linear, nn.Conv3d, nn.Conv2d, SparseConv3d)) and n.split('.')[0] in ('blocks', 'middle_block', 'input_blocks', 'out_blocks', 'upsample', 'patch_embed'):
            out |= {f'{n}.{k}' for k, _ in x.named_parameters()}
    return out


def small_names(m):
    """What the text checkpoint keeps in half: all but norms, and buffers."""
    return {k for k, v in m.named_parameters() if 'norm' not in k}


def write_safetensors(path, tensors, metadata=None):
    """tensors: name -> numpy array, float32, float16 or int8; a path that ends with .gz is packed"""
    hdr, off = {'__metadata__': metadata} if metadata else {}, 0
    for k, v in tensors.items():
        hdr[k] = {'dtype': {'float32': 'F32', 'float16': 'F16', 'int8': 'I8'}[v.dtype.name], 'shape': list(v.shape), 'data_offsets': [off, off + v.nbytes]}
        off += v.nbytes
    raw = json.dumps(hdr, separators=(',', ':')).encode()
    raw += b' ' * (-len(raw) % 8)
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    data = struct.pack('<Q', len(raw)) + raw + b''.join(np.ascontiguousarray(v).tobytes() for v in tensors.values())
    with open(path + '.tmp', 'wb') as f:
        f.write(gzip.compress(data, mtime=0) if path.endswith('.gz') else data)
    os.replace(path + '.tmp', path)


def read_safetensors(path):
    with (gzip.open if path.endswith('.gz') else open)(path, 'rb') as f:
        n, = struct.unpack('<Q', f.read(8))
        hdr, raw = json.loads(f.read(n)), f.read()
    hdr.pop('__metadata__', None)
    return {k: np.frombuffer(raw[v['data_offsets'][0]:v['data_offsets'][1]], NP[v['dtype']]).reshape(v['shape']) for k, v in hdr.items()}


def write_rounded(path, tensors):
    """Matrices as bytes with a scale for every row (name.scale), the rest in half: enough for weights that only training continues from."""
    out = {}
    for k, v in tensors.items():
        if v.ndim == 2:
            scale = np.maximum(np.abs(v).max(1, keepdims=True), 1e-12).astype(np.float32) / 127
            out[k], out[k + '.scale'] = np.round(v / scale).astype(np.int8), scale
        else:
            out[k] = v.astype(np.float16)
    write_safetensors(path, out)


def read_rounded(path):
    """What write_rounded wrote, or a file without bytes, as float32."""
    t = read_safetensors(path)
    return {k: v.astype(np.float32) * t[k + '.scale'] if k + '.scale' in t else v.astype(np.float32) for k, v in t.items() if not k.endswith('.scale')}


def tensors_of(m, half=None):
    half = half_names(m) if half is None else half
    return {k: v.detach().float().cpu().contiguous().numpy().astype(np.float16 if k in half else np.float32) for k, v in m.state_dict().items()}


def load_into(m, arrays):
    m.load_state_dict({k: torch.from_numpy(v.astype(np.float32)) for k, v in arrays.items()})
    return m


def save(root, name, m):
    ck, cls, _, args = MODULES[name]
    base = os.path.join(root, 'ckpts', ck)
    write_safetensors(base + '.safetensors', tensors_of(m, small_names(m) if name in TEXT_MODULES else None))
    with open(base + '.json', 'w') as f:
        json.dump({'name': cls, 'args': args}, f, indent=4)
        f.write('\n')


def has(root, name):
    return os.path.exists(os.path.join(root, 'ckpts', MODULES[name][0] + '.safetensors'))


def load(root, name):
    """The module as shipped: half precision torso weights, widened to float32."""
    return load_into(build(name), read_safetensors(os.path.join(root, 'ckpts', MODULES[name][0] + '.safetensors')))


SAMPLERS = {'sparse_structure_sampler': {'steps': 2, 'cfg_strength': 1.0, 'cfg_interval': [0.5, 1.0], 'rescale_t': 3.0},
            'slat_sampler': {'steps': 8, 'cfg_strength': 0.0, 'cfg_interval': [0.5, 1.0], 'rescale_t': 5.0}}

DESCRIPTION = ('a demo model of a few dozen families of toys (mugs, chairs, cars, ...) that knows nothing else: '
               'any other image ends in nonsense')


def pipeline(mean, std, samplers=None):
    key = {'sparse_structure_decoder': 'ss_dec', 'sparse_structure_flow_model': 'ss_flow', 'slat_decoder_gs': 'gs', 'slat_decoder_rf': 'rf', 'slat_decoder_mesh': 'mesh',
           'slat_flow_model': 'slat_flow'}
    args = {'models': {k: 'ckpts/' + MODULES[v][0] for k, v in key.items()}}
    for k, p in (samplers or SAMPLERS).items():
        args[k] = {'name': 'FlowEulerGuidanceIntervalSampler', 'args': {'sigma_min': 1e-05}, 'params': p}
    args['slat_normalization'] = {'mean': [round(float(x), 6) for x in mean], 'std': [round(float(x), 6) for x in std]}
    args['image_cond_model'] = MODULES['dino'][0]
    return {'name': 'TrellisImageTo3DPipeline', 'espalier': {'description': DESCRIPTION, 'full_model': 'trellis-image-large'}, 'args': args}


TEXT_SAMPLERS = {'sparse_structure_sampler': {'steps': 2, 'cfg_strength': 1.0, 'cfg_interval': [0.5, 1.0], 'rescale_t': 3.0},
                 'slat_sampler': {'steps': 4, 'cfg_strength': 1.0, 'cfg_interval': [0.5, 1.0], 'rescale_t': 5.0}}
TEXT_DESCRIPTION = ('a demo model that knows captions of a few dozen families of toys (mugs, chairs, cars, ...), their parts, '
                    'proportions and colours, and nothing else')


def text_pipeline(image_args, samplers=None):
    """Of the text checkpoint: decoders by reference to the image checkpoint beside it, whose pipeline.json has image_args."""
    models = dict(image_args['models'])
    for role, own in (('sparse_structure_flow_model', 'ss_flow_txt'), ('slat_flow_model', 'slat_flow_txt')):
        models[role] = TEXT_MODULES[own][0]
    models = {k: 'ckpts/' + v if v in (x[0] for x in TEXT_MODULES.values()) else 'espalier/sprout/' + v for k, v in models.items()}
    args = {'models': models}
    for k, p in (samplers or TEXT_SAMPLERS).items():
        args[k] = {'name': 'FlowEulerGuidanceIntervalSampler', 'args': {'sigma_min': 1e-05}, 'params': p}
    args['slat_normalization'] = image_args['slat_normalization']
    args['text_cond_model'] = 'espalier/' + TEXT_MODULES['clip'][0]
    return {'name': 'TrellisTextTo3DPipeline', 'espalier': {'description': TEXT_DESCRIPTION, 'full_model': 'trellis-text-base'}, 'args': args}


def write_text_pipeline(root, image_args, tokenizer, samplers=None):
    """pipeline.json, and the tokenizer beside the text encoder."""
    os.makedirs(os.path.join(root, 'ckpts'), exist_ok=True)
    with open(os.path.join(root, 'pipeline.json'), 'w') as f:
        json.dump(text_pipeline(image_args, samplers), f, indent=4)
        f.write('\n')
    with open(os.path.join(root, 'ckpts', 'vocab.json'), 'w', encoding='utf-8') as f:
        json.dump(tokenizer.ids, f, ensure_ascii=False, separators=(',', ':'))
        f.write('\n')
    with open(os.path.join(root, 'ckpts', 'merges.txt'), 'w', encoding='utf-8') as f:
        f.write('#version: 0.2\n' + ''.join(f'{a} {b}\n' for a, b in tokenizer.merges))


def write_pipeline(root, mean, std, samplers=None):
    os.makedirs(root, exist_ok=True)
    with open(os.path.join(root, 'pipeline.json'), 'w') as f:
        json.dump(pipeline(mean, std, samplers), f, indent=4)
        f.write('\n')


def read_pipeline(root):
    with open(os.path.join(root, 'pipeline.json')) as f:
        return json.load(f)['args']


def size(root):
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(root) for f in fs)
