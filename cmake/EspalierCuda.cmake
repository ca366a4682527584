# Decides ESPALIER_WITH_CUDA and the architectures, and works around CMake 3.25 with CUDA 13.
#
# ESPALIER_CUDA=AUTO builds for the GPU of this machine and for nothing else; ON builds ESPALIER_CUDA_ARCHITECTURES.
set(ESPALIER_CUDA_ARCHITECTURES "75-real;80-real;86-real;89-real;90-real;100-real;120" CACHE STRING
    "Machine code for these, PTX for those without -real")

set(ESPALIER_WITH_CUDA OFF)
if(NOT ESPALIER_CUDA STREQUAL "OFF")
  find_program(ESPALIER_NVCC nvcc HINTS /usr/local/cuda/bin ENV CUDA_PATH PATH_SUFFIXES bin)
  file(GLOB gpus /dev/nvidia[0-9]*)
  if(ESPALIER_CUDA STREQUAL "ON" OR (ESPALIER_NVCC AND gpus))
    set(ESPALIER_WITH_CUDA ON)
  endif()
endif()

if(ESPALIER_WITH_CUDA)
  if(NOT ESPALIER_NVCC)
    message(FATAL_ERROR "ESPALIER_CUDA=ON, but nvcc was not found: install the CUDA toolkit (13.0 or newer) or set ESPALIER_CUDA=OFF")
  endif()
  set(CMAKE_CUDA_COMPILER ${ESPALIER_NVCC})
  if(ESPALIER_CUDA STREQUAL "AUTO")
    set(CMAKE_CUDA_ARCHITECTURES native)
  else()
    set(CMAKE_CUDA_ARCHITECTURES ${ESPALIER_CUDA_ARCHITECTURES})
  endif()
  enable_language(CUDA)
  # Machine code for compute capability 9.0 is compiled for 9.0a: only that GPU runs either, and only the latter may use
  # its asynchronous tensor cores (src/ops/cuda/mma_hopper.cuh).
  if(CMAKE_CUDA_ARCHITECTURES STREQUAL "native")
    set(CMAKE_CUDA_ARCHITECTURES ${CMAKE_CUDA_ARCHITECTURES_NATIVE})
  endif()
  list(TRANSFORM CMAKE_CUDA_ARCHITECTURES REPLACE "^90-real$" "90a-real")
  # CMake 3.25 knows no C++20 flag for nvcc 13 and would fall back to C++17 without a word.
  if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
  endif()
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  set(CMAKE_CUDA_RUNTIME_LIBRARY Static)

  get_filename_component(cuda_root ${ESPALIER_NVCC} REALPATH)
  get_filename_component(cuda_root ${cuda_root} DIRECTORY)
  get_filename_component(cuda_root ${cuda_root} DIRECTORY)
  add_library(espalier_cuda INTERFACE)
  target_include_directories(espalier_cuda SYSTEM INTERFACE ${cuda_root}/include ${cuda_root}/include/cccl)
  # CUDA's own global name `half` would make espalier::half ambiguous.
  target_compile_definitions(espalier_cuda INTERFACE CUDA_NO_HALF)
  if("90a-real" IN_LIST CMAKE_CUDA_ARCHITECTURES)
    target_compile_definitions(espalier_cuda INTERFACE ESPALIER_SM90A)
  endif()
  # cuBLASLt itself is not linked: src/runtime/cuda/cublaslt.cpp looks for it.
  target_link_libraries(espalier_cuda INTERFACE ${CMAKE_DL_LIBS})
endif()
