// Small files as other programs could have written them.
#pragma once

#include <string>

namespace espalier::test {

// Four vertices (float), two triangles as a strip of bytes, colours in normalized bytes, a stride, nodes that move, turn and
// mirror: buffers in base64.
inline std::string sample_gltf() {
  return R"({"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}],
  "nodes": [{"children": [1, 2], "translation": [1, 2, 3]}, {"mesh": 0, "rotation": [0, 0.70710678118, 0, 0.70710678118]},
            {"mesh": 0, "scale": [-1, 1, 1]}],
  "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "COLOR_0": 1}, "indices": 2, "mode": 5}]}],
  "buffers": [{"byteLength": 68, "uri": "data:application/octet-stream;base64,)"
         // (0,0,0) red, (1,0,0) green, (0,1,0) blue, (1,1,0) white; indices 0 1 2 3
         "AAAAAAAAAAAAAAAA/wAA/wAAgD8AAAAAAAAAAAD/AP8AAAAAAACAPwAAAAAAAP//AACAPwAAgD8AAAAA/////wABAgM="
         R"("}],
  "bufferViews": [{"buffer": 0, "byteLength": 64, "byteStride": 16}, {"buffer": 0, "byteOffset": 64, "byteLength": 4}],
  "accessors": [{"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"},
                {"bufferView": 0, "byteOffset": 12, "componentType": 5121, "normalized": true, "count": 4, "type": "VEC4"},
                {"bufferView": 1, "componentType": 5121, "count": 4, "type": "SCALAR"}]})";
}

// Behind "ply" and the beginning of the format line. Properties of many types, an element that nobody wants in between.
inline constexpr const char* kPlyHeader =
    " 1.0\ncomment of another program\nelement vertex 4\nproperty double x\nproperty float y\nproperty float32 z\n"
    "property ushort red\nproperty ushort green\nproperty ushort blue\nproperty list uchar float extra\n"
    "element face 2\nproperty uchar flags\nproperty list int uint vertex_index\nend_header\n";

}  // namespace espalier::test
