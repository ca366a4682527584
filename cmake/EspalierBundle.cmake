# Run by cpack: puts the shared libraries that the programs need, but for glibc, the loader and NVIDIA's own, into
# lib/espalier of a .tar.gz. The programs look there (RPATH); a .deb leaves them to apt.
if(NOT CPACK_GENERATOR STREQUAL "TGZ")
  return()
endif()
set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY})
file(GLOB programs ${root}/bin/espalier)
file(GLOB libraries ${root}/lib*/libespalier.so)
if(NOT programs OR NOT libraries)
  message(FATAL_ERROR "there is nothing to bundle libraries for in ${root}")
endif()
file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${programs} LIBRARIES ${libraries}
  RESOLVED_DEPENDENCIES_VAR found UNRESOLVED_DEPENDENCIES_VAR missing
  PRE_EXCLUDE_REGEXES "^ld-linux" "^lib(c|m|dl|rt|pthread)\\.so" "^lib(cuda|cudart|cublas|cublasLt|nvJitLink)[.]")
if(missing)
  message(FATAL_ERROR "libraries that the programs need were not found: ${missing}")
endif()
foreach(library ${found})
  file(INSTALL ${library} DESTINATION ${root}/lib/espalier FOLLOW_SYMLINK_CHAIN)
endforeach()
