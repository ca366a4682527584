# espalier_module(NAME [DEPENDS module...] [LINK library...]): one folder of src/ as one static library; the target of
# geometry/mesh is espalier_geometry_mesh.
# Sources are found by place: src/NAME/*.cpp and src/NAME/cpu/*.cpp always; src/NAME/cuda/*.{cu,cpp} with CUDA,
# src/NAME/no_cuda/*.cpp without. A folder without sources becomes an interface library.
function(espalier_module folder)
  string(REPLACE "/" "_" name ${folder})
  cmake_parse_arguments(arg "" "" "DEPENDS;LINK" ${ARGN})
  set(root ${PROJECT_SOURCE_DIR}/src/${folder})
  file(GLOB sources CONFIGURE_DEPENDS ${root}/*.cpp ${root}/cpu/*.cpp)
  if(ESPALIER_WITH_CUDA)
    file(GLOB device CONFIGURE_DEPENDS ${root}/cuda/*.cu ${root}/cuda/*.cpp)
  else()
    file(GLOB device CONFIGURE_DEPENDS ${root}/no_cuda/*.cpp)
  endif()
  list(TRANSFORM arg_DEPENDS REPLACE "/" "_")
  list(TRANSFORM arg_DEPENDS PREPEND espalier_ OUTPUT_VARIABLE depends)
  if(sources OR device)
    add_library(espalier_${name} STATIC ${sources} ${device})
    target_link_libraries(espalier_${name} PUBLIC espalier_flags ${depends} PRIVATE espalier_warnings ${arg_LINK})
    if(ESPALIER_WITH_CUDA AND device)  # PRIVATE: what has no device code compiles with the same command in every build
      target_link_libraries(espalier_${name} PRIVATE espalier_cuda)
    endif()
  else()
    add_library(espalier_${name} INTERFACE)
    target_link_libraries(espalier_${name} INTERFACE espalier_flags ${depends})
  endif()
endfunction()
