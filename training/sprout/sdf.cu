// Batched evaluation of SDF objects: points, 64^3 surface cells, sphere-traced images; and the row gather of the sparse convolution.
// One source for both worlds:  nvcc -O3 -arch=sm_90 -Xcompiler -fPIC -shared   |   g++ -x c++ -O3 -fopenmp -fPIC -shared
// A primitive is 24 floats: 0 type (-1 none, 0 rounded box, 1 rounded cone frustum, 2 ellipsoid, 3 torus), 1 op (0 union,
// 1 smooth union, 2 subtract), 2 blend radius, 3-5 centre, 6-14 rotation (rows: world to local), 15-18 sizes, 19-21 colour,
// 22 pattern (0 none, else kind + 8 * bands), 23 its second colour as the number 65536 r + 256 g + b of three bytes.
// Kinds, in the primitive's own frame, lengths in units of its longest half side divided by `bands`: 1 stripes across the longest
// axis, 2 checks, 3 two tones (one side of the longest axis), 4 a label on the side towards -y.
#include <cmath>
#include <cstdint>
#ifdef __CUDACC__
#define HD __host__ __device__ inline
#else
#define HD inline
#endif
constexpr int K = 16, P = 24;
struct V { float x, y, z; };
HD V operator+(V a, V b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
HD V operator-(V a, V b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
HD V operator*(V a, float s) { return {a.x * s, a.y * s, a.z * s}; }
HD float dot(V a, V b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
HD V unit(V a) { return a * (1.f / sqrtf(dot(a, a) + 1e-20f)); }
HD float clampf(float x, float a, float b) { return fminf(fmaxf(x, a), b); }

HD float frustum(float rho, float z, float r0, float r1, float h, float round) {      // exact distance to a trapezoid in the (rho, z) half plane
    r0 -= round; r1 -= round; h -= round;
    float rc = z < 0 ? r0 : r1, ax = fmaxf(rho - rc, 0.f), az = fabsf(z) - h;          // nearest point on the caps
    float ex = r1 - r0, ez = 2 * h, t = clampf(((rho - r0) * ex + (z + h) * ez) / (ex * ex + ez * ez), 0.f, 1.f);
    float bx = rho - r0 - t * ex, bz = z + h - t * ez;                                 // nearest point on the slanted side
    float d2 = fminf(ax * ax + az * az, bx * bx + bz * bz);
    return (bx < 0 && az < 0 ? -sqrtf(d2) : sqrtf(d2)) - round;
}
HD V local(const float* q, V p) {
    V d = p - V{q[3], q[4], q[5]};
    return {q[6] * d.x + q[7] * d.y + q[8] * d.z, q[9] * d.x + q[10] * d.y + q[11] * d.z, q[12] * d.x + q[13] * d.y + q[14] * d.z};
}
HD float prim(const float* q, V p) {
    V l = local(q, p);
    const float a = q[15], b = q[16], c = q[17], r = q[18];
    switch ((int)q[0]) {
        case 0: {
            V e = {fabsf(l.x) - a + r, fabsf(l.y) - b + r, fabsf(l.z) - c + r}, o = {fmaxf(e.x, 0.f), fmaxf(e.y, 0.f), fmaxf(e.z, 0.f)};
            return sqrtf(dot(o, o)) + fminf(fmaxf(e.x, fmaxf(e.y, e.z)), 0.f) - r;
        }
        case 1: return frustum(sqrtf(l.x * l.x + l.y * l.y), l.z, a, b, c, r);
        case 2: {
            V u = {l.x / a, l.y / b, l.z / c}, w = {u.x / a, u.y / b, u.z / c};
            float k0 = sqrtf(dot(u, u)), k1 = sqrtf(dot(w, w));
            return k0 < 1e-4f ? -fminf(a, fminf(b, c)) : k0 * (k0 - 1) / k1;
        }
        default: { float g = sqrtf(l.x * l.x + l.y * l.y) - a; return sqrtf(g * g + l.z * l.z) - b; }
    }
}
HD V paint(const float* q, V p) {                                                   // the primitive's colour at p
    const V plain = {q[19], q[20], q[21]};
    if (q[22] <= 0) return plain;
    const int code = (int)q[22], kind = code % 8, bands = code / 8, packed = (int)q[23];
    const V second = {(packed / 65536) / 255.f, (packed / 256 % 256) / 255.f, (packed % 256) / 255.f}, l = local(q, p);
    V s = {q[15], q[16], q[17]};                                                   // half sides of the primitive's box
    if ((int)q[0] == 1) s.x = s.y = fmaxf(q[15], q[16]);
    if ((int)q[0] == 3) { s.x = s.y = q[15] + q[16]; s.z = q[16]; }
    const float longest = fmaxf(s.x, fmaxf(s.y, s.z)), along = s.z == longest ? l.z : s.x == longest ? l.x : l.y;
    const float w = bands / longest;                                               // half a band off, so that no border lies in a face
    bool on = false;
    if (kind == 1) on = (int)floorf(along * w + .5f) & 1;
    if (kind == 2) on = ((int)floorf(l.x * w + .5f) + (int)floorf(l.y * w + .5f) + (int)floorf(l.z * w + .5f)) & 1;
    if (kind == 3) on = along * w > .5f;
    if (kind == 4) on = l.y < 0 && fabsf(l.x) < .6f * s.x && fabsf(l.z) < .5f * s.z;
    return on ? second : plain;
}
HD float sdf(const float* o, V p, V* col) {
    float d = 1e3f;
    V c = {0, 0, 0};
    for (int k = 0; k < K; k++, o += P) {
        if (o[0] < 0) continue;
        float e = prim(o, p);
        if (o[1] == 0) { if (e < d) { d = e; if (col) c = paint(o, p); } }
        else if (o[1] == 1) {
            float h = clampf(.5f + .5f * (d - e) / o[2], 0.f, 1.f);
            d = d + (e - d) * h - o[2] * h * (1 - h);
            if (col) c = c + (paint(o, p) - c) * h;
        } else if (-e > d) { d = -e; if (col) c = paint(o, p); }
    }
    if (col) *col = c;
    return d;
}
HD V gradient(const float* o, V p) {
    const float e = 1e-3f;
    float a = sdf(o, p + V{e, -e, -e}, 0), b = sdf(o, p + V{-e, -e, e}, 0), c = sdf(o, p + V{-e, e, -e}, 0), d = sdf(o, p + V{e, e, e}, 0);
    return unit(V{a - b - c + d, -a - b + c + d, -a + b - c + d});
}
// ---- one work item of each kind
HD void item_points(int64_t i, const float* objs, const int32_t* who, const float* pts, float* out, int full) {   // full: d, normal, colour
    const float* o = objs + (int64_t)who[i] * K * P;
    V p = {pts[3 * i], pts[3 * i + 1], pts[3 * i + 2]}, c;
    float d = sdf(o, p, &c);
    if (!full) { out[i] = d; return; }
    V n = gradient(o, p);
    float* w = out + 7 * i;
    w[0] = d; w[1] = n.x; w[2] = n.y; w[3] = n.z; w[4] = c.x; w[5] = c.y; w[6] = c.z;
}
HD void item_cell(int64_t i, const float* objs, int res, uint8_t* out) {      // does the surface cross this cell? signs on a lattice twice as fine
    int64_t b = i / ((int64_t)res * res * res); int j = i % ((int64_t)res * res * res);
    const float* o = objs + b * K * P;
    const float h = 1.f / res;
    V m = {((j / res / res) + .5f) * h - .5f, ((j / res) % res + .5f) * h - .5f, (j % res + .5f) * h - .5f};
    float d = sdf(o, m, 0);
    uint8_t hit = 0;
    if (fabsf(d) < 1.5f * h) {
        bool s = d < 0;
        for (int k = 0; k < 27 && !hit; k++)
            hit = (sdf(o, m + V{(k / 9 - 1) * .5f * h, (k / 3 % 3 - 1) * .5f * h, (k % 3 - 1) * .5f * h}, 0) < 0) != s;
    }
    out[i] = hit;
}
HD void item_pixel(int64_t i, const float* objs, const int32_t* who, const float* cams, int size, int spp, int light, uint8_t* out, float* hits) {
    // light: 0 a lamp and a sky (conditioning images), 1 a fixed soft sky (what Gaussians and radiance field learn), 2 none (plain colours)
    // hits (or null), 10 floats: canonical position, normal and colour of what the pixel sees, 1; zeros where it sees nothing
    // camera, 18 floats: origin, right, up, forward, crop centre x y, crop half size (tangents), light
    int64_t b = i / ((int64_t)size * size); int j = i % ((int64_t)size * size);
    const float *o = objs + (int64_t)who[b] * K * P, *q = cams + 18 * b;
    V org = {q[0], q[1], q[2]}, R = {q[3], q[4], q[5]}, U = {q[6], q[7], q[8]}, F = {q[9], q[10], q[11]}, L = {q[15], q[16], q[17]}, acc = {0, 0, 0};
    float alpha = 0;
    if (hits) for (int k = 0; k < 10; k++) hits[10 * i + k] = 0;
    for (int s = 0; s < spp * spp; s++) {
        float u = ((j % size + (s % spp + .5f) / spp) / size * 2 - 1) * q[14] + q[12], v = (1 - (j / size + (s / spp + .5f) / spp) / size * 2) * q[14] + q[13];
        V dir = unit(F + R * u + U * v);
        float t0 = 0, t1 = 1e3f;
        for (int a = 0; a < 3; a++) {
            float po = a == 0 ? org.x : a == 1 ? org.y : org.z, di = a == 0 ? dir.x : a == 1 ? dir.y : dir.z, inv = 1.f / (fabsf(di) < 1e-8f ? 1e-8f : di);
            float ta = (-.51f - po) * inv, tb = (.51f - po) * inv;
            t0 = fmaxf(t0, fminf(ta, tb)); t1 = fminf(t1, fmaxf(ta, tb));
        }
        float t = t0;
        for (int k = 0; k < 64 && t < t1; k++) {
            V p = org + dir * t, c;
            float d = sdf(o, p, 0);
            if (d < 1e-3f) {
                sdf(o, p, &c);
                V n = gradient(o, p);
                if (hits) { float* w = hits + 10 * i; w[0] = p.x; w[1] = p.y; w[2] = p.z; w[3] = n.x; w[4] = n.y; w[5] = n.z; w[6] = c.x; w[7] = c.y; w[8] = c.z; w[9] = 1; }
                float lam = fmaxf(dot(n, L), 0.f), hemi = .5f + .5f * n.z, g = .28f + .17f * hemi + .55f * lam;
                V hv = unit(L - dir);
                float sp = powf(fmaxf(dot(n, hv), 0.f), 24.f) * .12f * (lam > 0);
                if (light == 1) { g = .65f + .35f * hemi; sp = 0; }
                if (light == 2) { g = 1; sp = 0; }
                acc = acc + V{fminf(c.x * g + sp, 1.f), fminf(c.y * g + sp, 1.f), fminf(c.z * g + sp, 1.f)};
                alpha += 1;
                break;
            }
            t += d * .9f;
        }
    }
    float w = 255.f / (spp * spp);
    uint8_t* e = out + 4 * i;
    e[0] = (uint8_t)(acc.x * w); e[1] = (uint8_t)(acc.y * w); e[2] = (uint8_t)(acc.z * w); e[3] = (uint8_t)(alpha * w);   // premultiplied
}
struct alignas(16) Piece { uint32_t v[4]; };
HD void item_gather(int64_t i, const Piece* x, const int32_t* idx, int pieces, int rows, Piece* out) {   // out[r] = x[idx[r]], zero where idx[r] == rows
    int64_t r = i / pieces; int32_t k = idx[r];
    out[i] = k < rows ? x[(int64_t)k * pieces + (i - r * pieces)] : Piece{{0, 0, 0, 0}};
}
#ifdef __CUDACC__
#define EACH(name, call, ...) \
    __global__ void k_##name(int64_t n, __VA_ARGS__) { int64_t i = blockIdx.x * (int64_t)blockDim.x + threadIdx.x; if (i < n) call; }
#define GO(name, n, ...) k_##name<<<(unsigned)(((n) + 127) / 128), 128, 0, (cudaStream_t)stream>>>(n, __VA_ARGS__); return (int)cudaGetLastError()
EACH(points, item_points(i, objs, who, pts, out, full), const float* objs, const int32_t* who, const float* pts, float* out, int full)
EACH(cells, item_cell(i, objs, res, out), const float* objs, int res, uint8_t* out)
EACH(pixels, item_pixel(i, objs, who, cams, size, spp, light, out, hits), const float* objs, const int32_t* who, const float* cams, int size, int spp, int light, uint8_t* out, float* hits)
EACH(gather, item_gather(i, x, idx, pieces, rows, out), const Piece* x, const int32_t* idx, int pieces, int rows, Piece* out)
#else
#define GO(name, n, ...) _Pragma("omp parallel for schedule(dynamic, 256)") for (int64_t i = 0; i < n; i++) item_##name(i, __VA_ARGS__); return 0
#define item_cells item_cell
#define item_pixels item_pixel
#endif
extern "C" {
int sdf_points(void* stream, int64_t n, const float* objs, const int32_t* who, const float* pts, float* out, int full) { GO(points, n, objs, who, pts, out, full); }
int sdf_cells(void* stream, int64_t n, const float* objs, int res, uint8_t* out) { GO(cells, n, objs, res, out); }
int sdf_pixels(void* stream, int64_t n, const float* objs, const int32_t* who, const float* cams, int size, int spp, int light, uint8_t* out, float* hits) { GO(pixels, n, objs, who, cams, size, spp, light, out, hits); }
int sdf_gather(void* stream, int64_t n, const Piece* x, const int32_t* idx, int pieces, int rows, Piece* out) { GO(gather, n, x, idx, pieces, rows, out); }
}
