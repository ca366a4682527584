# Writes the C++ source that holds the page's files and the API's description, by .incbin. Run as a script:
#   cmake -D OUT=page_files.cpp -D OPENAPI=openapi.json [-D FOLDER=web/dist] -P EspalierEmbed.cmake
# The sum of every file stands in the source, so that it changes, and is compiled again, when a file does.
set(blocks "")
set(rows "")
set(count 0)
function(embed symbol file)
  file(SHA256 ${file} sum)
  string(APPEND blocks "// ${sum}\nasm(\".pushsection .rodata\\n.balign 16\\n.global ${symbol}\\n${symbol}:\\n.incbin \\\"${file}\\\"\\n\"\n"
    "    \".global ${symbol}_end\\n${symbol}_end:\\n.byte 0\\n.popsection\");\n"
    "extern \"C\" const char ${symbol}[];\nextern \"C\" const char ${symbol}_end[];\n")
  set(blocks "${blocks}" PARENT_SCOPE)
endfunction()

embed(espalier_openapi ${OPENAPI})
set(files "")
if(FOLDER AND EXISTS ${FOLDER}/index.html)
  file(GLOB_RECURSE files RELATIVE ${FOLDER} ${FOLDER}/*)
endif()
foreach(file ${files})
  embed(espalier_page_${count} ${FOLDER}/${file})
  string(APPEND rows "      file(\"${file}\", espalier_page_${count}, espalier_page_${count}_end),\n")
  math(EXPR count "${count} + 1")
endforeach()
set(text "// Made by cmake/EspalierEmbed.cmake.\n#include <vector>\n\n#include \"page.h\"\n\n${blocks}\nnamespace espalier::server {\n\n")
string(APPEND text "std::string_view openapi_document() { return {espalier_openapi, static_cast<std::size_t>(espalier_openapi_end - espalier_openapi)}; }\n\n")
string(APPEND text "std::span<const EmbeddedFile> page_files() {\n  [[maybe_unused]] const auto file = [](const char* path, const char* begin, const char* end) {\n"
  "    return EmbeddedFile{path, {begin, static_cast<std::size_t>(end - begin)}};\n  };\n"
  "  static const std::vector<EmbeddedFile> files{\n${rows}  };\n  return files;\n}\n\n}  // namespace espalier::server\n")
file(CONFIGURE OUTPUT ${OUT} CONTENT "${text}" @ONLY)
