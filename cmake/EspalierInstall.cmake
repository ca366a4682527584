# libespalier: the modules in one shared library that shows the public headers' names only; and what is installed of it.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(map ${PROJECT_SOURCE_DIR}/cmake/espalier.map)
add_library(espalier SHARED $<TARGET_OBJECTS:espalier_api>)
add_library(espalier::espalier ALIAS espalier)
set_target_properties(espalier PROPERTIES LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
  LINK_DEPENDS ${map} INSTALL_RPATH "$ORIGIN/espalier"  # where a .tar.gz has its libraries
  BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH_USE_LINK_PATH ${ESPALIER_WITH_CUDA})
target_link_libraries(espalier PRIVATE espalier_api)
target_link_options(espalier PRIVATE -Wl,--version-script=${map} -Wl,--disable-new-dtags)
target_compile_features(espalier INTERFACE cxx_std_20)
target_include_directories(espalier INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

if(NOT ESPALIER_INSTALL)
  return()
endif()
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/espalier)
install(TARGETS espalier EXPORT espalier)
install(EXPORT espalier NAMESPACE espalier:: FILE espalierConfig.cmake DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/generated/espalierConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/generated/espalierConfigVersion.cmake DESTINATION ${package})
file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" up ${up})
configure_file(${PROJECT_SOURCE_DIR}/cmake/espalier.pc.in ${PROJECT_BINARY_DIR}/generated/espalier.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/generated/espalier.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(DIRECTORY include/espalier DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES LICENSE THIRD_PARTY.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
