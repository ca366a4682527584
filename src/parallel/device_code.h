// Code that runs on the host and on the GPU.
#pragma once

#ifdef __CUDACC__
#define ESPALIER_DEVICE_CODE __host__ __device__ inline
#else
#define ESPALIER_DEVICE_CODE inline
#endif
