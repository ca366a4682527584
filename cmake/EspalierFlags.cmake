# espalier_flags: what every target of ours compiles with. espalier_warnings: warnings, as errors.
add_library(espalier_flags INTERFACE)
configure_file(${PROJECT_SOURCE_DIR}/cmake/version.h.in ${PROJECT_BINARY_DIR}/generated/base/version.h @ONLY)
set(ESPALIER_CUDA_01 0)
if(ESPALIER_WITH_CUDA)
  set(ESPALIER_CUDA_01 1)
endif()
configure_file(${PROJECT_SOURCE_DIR}/cmake/with_cuda.h.in ${PROJECT_BINARY_DIR}/generated/base/with_cuda.h @ONLY)
target_include_directories(espalier_flags INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/generated)
target_compile_definitions(espalier_flags INTERFACE EIGEN_MPL2_ONLY)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64" AND ESPALIER_MARCH)
  target_compile_options(espalier_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-march=${ESPALIER_MARCH}>)
endif()
# Fused multiply-adds only where the code calls fma(): results do not depend on the optimiser's mood.
target_compile_options(espalier_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>)
# What makes a defect end the program instead of serving whoever found it; scripts/check-hardening looks for it in the binaries.
# Sanitizers check more and come with their own.
include(CheckPIESupported)
check_pie_supported()
if(ESPALIER_HARDENING AND NOT ESPALIER_SANITIZE)
  set(hardening -fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    list(APPEND hardening -fcf-protection=full)
  endif()
  list(JOIN hardening "," hardening_of_host)
  # FORTIFY warns where nothing is optimised.
  set(optimised "$<CONFIG:Release,RelWithDebInfo,MinSizeRel>")
  target_compile_options(espalier_flags INTERFACE "$<$<AND:${optimised},$<COMPILE_LANGUAGE:CXX>>:${hardening}>"
    "$<$<AND:${optimised},$<COMPILE_LANGUAGE:CUDA>>:-Xcompiler=${hardening_of_host}>")
endif()
target_link_options(espalier_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
if(ESPALIER_SANITIZE)
  target_compile_options(espalier_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${ESPALIER_SANITIZE} -fno-omit-frame-pointer>)
  target_link_options(espalier_flags INTERFACE -fsanitize=${ESPALIER_SANITIZE})
  if(ESPALIER_SANITIZE MATCHES "thread|fuzzer")
    target_compile_definitions(espalier_flags INTERFACE ESPALIER_STD_THREADS)
  endif()
  if(ESPALIER_SANITIZE MATCHES "undefined")
    target_compile_options(espalier_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=undefined>)
  endif()
endif()

# nvcc's warning 554 does not see that View's conversion to a constant view is constrained away for constant views.
add_library(espalier_warnings INTERFACE)
target_compile_options(espalier_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor $<$<CXX_COMPILER_ID:GNU>:-Werror>>
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-Werror --Werror=all-warnings --diag-suppress=554 --expt-relaxed-constexpr -lineinfo>)
