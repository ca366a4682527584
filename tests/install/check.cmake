# Installs BUILD into a fresh prefix under FOLDER, moves the prefix, and uses it as a stranger would: runs the command, builds
# and runs programs with CMake and with pkg-config, and holds the installed headers against what those programs call.
set(prefix ${FOLDER}/moved)
set(out ${FOLDER}/out)
file(REMOVE_RECURSE ${FOLDER}/prefix ${prefix} ${FOLDER}/consumer ${FOLDER}/subproject ${FOLDER}/fetched ${out})
file(MAKE_DIRECTORY ${out})
set(checkpoint ${prefix}/share/espalier/models/sprout)
set(image ${SOURCES}/examples/12-mushroom.png)

function(run what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${what} failed:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

run("installing" ${CMAKE_COMMAND} --install ${BUILD} --prefix ${FOLDER}/prefix)
file(RENAME ${FOLDER}/prefix ${prefix})
run("the installed command" ${prefix}/bin/espalier info)
if(NOT output MATCHES "${checkpoint}")
  message(FATAL_ERROR "the installed command does not use the installed checkpoint:\n${output}")
endif()

run("configuring the consumers" ${CMAKE_COMMAND} -G ${GENERATOR} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${FOLDER}/consumer
    -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_CXX_COMPILER=${COMPILER} -DWANTED=${VERSION} -DSOURCES=${SOURCES})
run("building the consumers" ${CMAKE_COMMAND} --build ${FOLDER}/consumer)
foreach(program consumer c_consumer)
  run("the program ${program}" ${FOLDER}/consumer/${program} ${checkpoint} ${image} ${out})
  if(NOT output MATCHES "espalier ${VERSION}(:| from C:) 0 failures")
    message(FATAL_ERROR "the program ${program} reports:\n${output}")
  endif()
endforeach()
file(GLOB library ${prefix}/lib*/libespalier.so ${prefix}/lib/*/libespalier.so)
if(PYTHON)
  run("holding the headers against the consumers" ${PYTHON} ${CMAKE_CURRENT_LIST_DIR}/check_interface.py
      ${prefix}/include/espalier ${library} ${CMAKE_CURRENT_LIST_DIR}/consumer/main.cpp ${SOURCES}/tests/c_api/program.c
      -- ${FOLDER}/consumer/consumer ${FOLDER}/consumer/c_consumer)
  message(STATUS "${output}")
endif()

# The examples, as their first lines say.
get_filename_component(folder ${library} DIRECTORY)
set(ENV{PKG_CONFIG_PATH} ${folder}/pkgconfig)
execute_process(COMMAND pkg-config --cflags --libs espalier OUTPUT_VARIABLE flags COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
run("the C++ example" ${COMPILER} -std=c++20 -Wall -Wextra -Werror ${SOURCES}/examples/generate.cpp -o ${out}/generate ${flags})
run("the C example" ${C_COMPILER} -std=c99 -Wall -Wextra -Werror ${SOURCES}/examples/generate.c -o ${out}/generate_c ${flags})
set(ENV{LD_LIBRARY_PATH} ${folder})
foreach(example generate generate_c)
  run("the program ${example}" ${out}/${example} ${checkpoint} ${image} ${out}/${example}.glb)
endforeach()

# Inside another project; building all of it again would take as long as the first time.
run("add_subdirectory" ${CMAKE_COMMAND} -G ${GENERATOR} -S ${CMAKE_CURRENT_LIST_DIR}/subproject -B ${FOLDER}/subproject
    -DCMAKE_CXX_COMPILER=${COMPILER} -DSOURCES=${SOURCES})
run("a module inside another project" ${CMAKE_COMMAND} --build ${FOLDER}/subproject --target espalier_tensor)
run("FetchContent" ${CMAKE_COMMAND} -G ${GENERATOR} -S ${CMAKE_CURRENT_LIST_DIR}/subproject -B ${FOLDER}/fetched
    -DCMAKE_CXX_COMPILER=${COMPILER} -DSOURCES=${SOURCES} -DFETCH=ON)
