// Entry points of training/sprout/sdf.cu in its form for the CPU; the arguments are explained there.
#pragma once

#include <cstdint>

extern "C" {
int sdf_points(void* stream, std::int64_t n, const float* objects, const std::int32_t* which, const float* points, float* out,
               int full);
int sdf_cells(void* stream, std::int64_t n, const float* objects, int resolution, std::uint8_t* out);
int sdf_pixels(void* stream, std::int64_t n, const float* objects, const std::int32_t* which, const float* cameras, int size,
               int samples, int light, std::uint8_t* out, float* hits);
}
