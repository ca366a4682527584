// The (device, torso type) pairs that networks are built for. One list, used by every explicit instantiation.
#pragma once

#include "base/with_cuda.h"
#include "tensor/dtype.h"
#include "tensor/view.h"

#define ESPALIER_FOR_CPU(X) X(::espalier::Cpu, float)
#if ESPALIER_WITH_CUDA
#define ESPALIER_FOR_CUDA(X) X(::espalier::Cuda, float) X(::espalier::Cuda, ::espalier::half)
#else
#define ESPALIER_FOR_CUDA(X)
#endif
#define ESPALIER_FOR_EACH_BACKEND(X) ESPALIER_FOR_CPU(X) ESPALIER_FOR_CUDA(X)
