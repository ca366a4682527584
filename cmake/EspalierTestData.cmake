# ESPALIER_TEST_DATA: the folder that scripts/test-data makes of tests/data, anew whenever what is copied into it has changed.
set(ESPALIER_TEST_DATA ${PROJECT_BINARY_DIR}/test-data)
file(GLOB_RECURSE data CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/data/*)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${data} ${PROJECT_SOURCE_DIR}/scripts/test-data)
execute_process(COMMAND ${PROJECT_SOURCE_DIR}/scripts/test-data ${ESPALIER_TEST_DATA} COMMAND_ERROR_IS_FATAL ANY)
