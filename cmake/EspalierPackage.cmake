# `cpack` makes a .deb, whose dependencies apt installs, and a .tar.gz, which brings the libraries along and runs wherever
# it is unpacked. scripts/package builds what goes into them.
set(CPACK_PACKAGE_NAME espalier)
set(CPACK_PACKAGE_VENDOR "The Espalier authors")
set(CPACK_PACKAGE_CONTACT "The Espalier authors <maintainers@espalier.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Images in, 3D assets out: command, server, library and a small checkpoint")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/EspalierBundle.cmake)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION graphics)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)  # which runs ldconfig
set(CPACK_DEBIAN_PACKAGE_SUGGESTS ffmpeg)
if(ESPALIER_WITH_CUDA)
  set(CPACK_PACKAGE_NAME espalier-cuda)
  set(CPACK_DEBIAN_PACKAGE_PROVIDES espalier)
  set(CPACK_DEBIAN_PACKAGE_CONFLICTS espalier)
  # cuBLASLt comes from NVIDIA, as a package or otherwise; dpkg-shlibdeps knows only what apt installed here.
  string(REGEX MATCH "^([0-9]+)\\.([0-9]+)" ignored "${CMAKE_CUDA_COMPILER_VERSION}")
  set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libcublas-${CMAKE_MATCH_1}-${CMAKE_MATCH_2}")
endif()
include(CPack)
