#!/usr/bin/env python3
"""The 12k asset of docs/performance.md as a file for `espalier export`: workload_asset.py OUT.safetensors

383,296 Gaussians drawn around the voxels of the workload's curve, and a double-walled tube of 752,352 faces. Needs numpy."""
import numpy as np, sys, json, struct
R, r, rho, t = .28, .13, .07, .766
p = 2*np.pi*np.arange(4096)/4096
curve = np.stack([(R+r*np.cos(3*p))*np.cos(2*p), (R+r*np.cos(3*p))*np.sin(2*p), r*np.sin(3*p)], 1)
g = (np.indices((64,64,64)).reshape(3,-1).T)
c = (g+.5)/64-.5
best = np.full(len(c), 1e9)
for i in range(0, 4096, 64):
    d = ((c[:,None]-curve[None,i:i+64])**2).sum(-1).min(1); best = np.minimum(best, d)
cells = g[np.abs(np.sqrt(best)-rho) < t/64]
print(len(cells))
rng = np.random.default_rng(0); n = 32*len(cells)
cell = np.repeat(cells, 32, 0)
xyz = (cell+.5+rng.uniform(-.75,.75,(n,3)))/64-.5
sp = lambda x: np.log1p(np.exp(x))
bias = np.log(np.expm1(.004))
scale = np.sqrt(sp(.3*rng.normal(size=(n,3))+bias)**2+9e-4**2)
rot = .1*rng.normal(size=(n,4))+np.array([1,0,0,0.]); rot /= np.linalg.norm(rot,axis=1,keepdims=True)
op = 1/(1+np.exp(-(3+2*rng.normal(size=(n,1))+np.log(.1/.9))))
dc = .5*rng.normal(size=(n,3))
# tube walls
M, K = 3688, 51
q = 2*np.pi*np.arange(M)/M
cc = np.stack([(R+r*np.cos(3*q))*np.cos(2*q), (R+r*np.cos(3*q))*np.sin(2*q), r*np.sin(3*q)],1)
tan = np.roll(cc,-1,0)-np.roll(cc,1,0); tan /= np.linalg.norm(tan,axis=1,keepdims=True)
a = np.cross(tan,[0,0,1.]); a /= np.linalg.norm(a,axis=1,keepdims=True); b = np.cross(tan,a)
V, F, base = [], [], 0
for k, (rad, flip) in enumerate(((rho+.4/64, False), (rho-.4/64, True))):
    s = 2*np.pi*np.arange(K)/K
    v = cc[:,None]+rad*(np.cos(s)[None,:,None]*a[:,None]+np.sin(s)[None,:,None]*b[:,None])
    i, j = np.meshgrid(np.arange(M), np.arange(K), indexing='ij'); i2, j2 = (i+1)%M, (j+1)%K
    A, B, C, D = i*K+j, i2*K+j, i2*K+j2, i*K+j2
    f = np.concatenate([np.stack([A,B,C],-1).reshape(-1,3), np.stack([A,C,D],-1).reshape(-1,3)])
    if flip: f = f[:,::-1]
    V.append(v.reshape(-1,3)); F.append(f+base); base += M*K
V = np.concatenate(V); F = np.concatenate(F)
# outward orientation of the outer wall
v0,v1,v2 = (V[F[:10000,k]] for k in range(3)); nrm = np.cross(v1-v0,v2-v0); mid=(v0+v1+v2)/3
ci = cc[(F[:10000,0]//K)]
if ((nrm*(mid-ci)).sum(1)).mean() < 0: F = F[:,::-1]
V = V + 2e-4*rng.normal(size=V.shape)
print(len(V), len(F))
T = {'gaussians.xyz':xyz,'gaussians.dc':dc,'gaussians.scale':scale,'gaussians.rotation':rot,'gaussians.opacity':op,'mesh.vertices':V,'mesh.faces':np.ascontiguousarray(F)}
head, off, blobs = {'__metadata__':{'format':'espalier-asset-1'}}, 0, []
for k in sorted(T):
    x = np.ascontiguousarray(T[k].astype('<i4' if k.endswith('faces') else '<f4')); bts = x.tobytes()
    head[k] = {'dtype':'I32' if k.endswith('faces') else 'F32','shape':list(x.shape),'data_offsets':[off,off+len(bts)]}; off += len(bts); blobs.append(bts)
h = json.dumps(head).encode(); h += b' '*(-len(h)%8)
open(sys.argv[1],'wb').write(struct.pack('<Q',len(h))+h+b''.join(blobs))
