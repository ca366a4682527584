# libespalier: the modules in one shared library that shows the public headers' names only; and what is installed.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

add_library(espalier SHARED $<TARGET_OBJECTS:espalier_api>)
set_target_properties(espalier PROPERTIES LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
  LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/espalier.map)
target_link_libraries(espalier PRIVATE espalier_api)
target_link_options(espalier PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/espalier.map)
target_compile_features(espalier INTERFACE cxx_std_20)
target_include_directories(espalier INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

install(TARGETS espalier EXPORT espalier)
install(EXPORT espalier NAMESPACE espalier:: FILE espalierConfig.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/espalier)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/generated/espalierConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/generated/espalierConfigVersion.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/espalier)
install(TARGETS espalier-cli)
install(DIRECTORY include/espalier DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY models DESTINATION ${CMAKE_INSTALL_DATADIR}/espalier)
install(FILES LICENSE THIRD_PARTY.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
