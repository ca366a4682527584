# The studio's page: built with npm from web/ into web/dist, then embedded into the server.
set(ESPALIER_STUDIO AUTO CACHE STRING "The studio's page inside the program: AUTO (when npm is there), ON or OFF")
set_property(CACHE ESPALIER_STUDIO PROPERTY STRINGS AUTO ON OFF)

# espalier_embed_page(TARGET): adds the source with the page's files to the target.
function(espalier_embed_page target)
  set(web ${PROJECT_SOURCE_DIR}/web)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/page_files.cpp)
  set(openapi ${CMAKE_CURRENT_SOURCE_DIR}/server/openapi.json)
  set(stamp ${CMAKE_CURRENT_BINARY_DIR}/studio.stamp)
  set(folder "")
  find_program(ESPALIER_NPM npm)
  if(ESPALIER_STUDIO STREQUAL "ON" AND NOT ESPALIER_NPM)
    message(FATAL_ERROR "ESPALIER_STUDIO=ON, but npm was not found: install nodejs and npm or set ESPALIER_STUDIO=OFF")
  endif()
  if(EXISTS ${web}/package.json AND ESPALIER_NPM AND NOT ESPALIER_STUDIO STREQUAL "OFF")
    set(folder ${web}/dist)
    file(GLOB_RECURSE inputs CONFIGURE_DEPENDS ${web}/src/* ${web}/public/* ${PROJECT_SOURCE_DIR}/examples/*)
    file(GLOB settings CONFIGURE_DEPENDS ${web}/*.json ${web}/*.html ${web}/*.ts ${web}/*.js ${web}/*.mjs)
    add_custom_command(OUTPUT ${stamp} DEPENDS ${inputs} ${settings} ${PROJECT_SOURCE_DIR}/scripts/build-page
      COMMAND ${PROJECT_SOURCE_DIR}/scripts/build-page ${ESPALIER_STUDIO} COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
      COMMENT "Building the studio's page" VERBATIM)
  else()
    file(WRITE ${stamp} "")
  endif()
  add_custom_command(OUTPUT ${source} DEPENDS ${stamp} ${openapi} ${PROJECT_SOURCE_DIR}/cmake/EspalierEmbed.cmake
    COMMAND ${CMAKE_COMMAND} -D OUT=${source} -D OPENAPI=${openapi} -D FOLDER=${folder}
            -P ${PROJECT_SOURCE_DIR}/cmake/EspalierEmbed.cmake
    COMMENT "Embedding the studio's page" VERBATIM)
  target_sources(${target} PRIVATE ${source})
endfunction()
