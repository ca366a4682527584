#include "worst_shapes.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "image/codec.h"
#include "io/formats/zip.h"

namespace espalier::test {
namespace {

// `unit` between `head` and `tail`, separated by commas.
std::string listed(const std::string& head, std::string_view unit, const std::string& tail, std::size_t bytes) {
  std::string out = head + repeated(std::string(unit) + ",", bytes);
  out.pop_back();
  return out + tail;
}

std::string numbered(const std::string& head, const std::string& before, const std::string& after, const std::string& tail,
                     std::size_t bytes) {
  std::string out = head;
  for (int i = 0; out.size() < bytes; ++i) out.append(before).append(std::to_string(i)).append(after).append(",");
  out.pop_back();
  return out + tail;
}

std::string with_length(const std::string& header) {
  std::string out;
  for (unsigned i = 0; i < 8; ++i) out += static_cast<char>(header.size() >> (8U * i) & 0xFFU);
  return out + header;
}

std::string gltf(const std::string& members) { return "{\"asset\":{\"version\":\"2.0\"}," + members + "}"; }

std::string many_objects(std::size_t n) { return with_length(listed("{\"x\":[", "{}", "]}", n)); }
std::string many_tensors(std::size_t n) {
  return with_length(numbered("{", "\"t", R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})", "}", n));
}
std::string many_keys(std::size_t n) { return with_length(numbered("{", "\"", "\":0", "}", n)); }
std::string long_string(std::size_t n) { return with_length("{\"__metadata__\":{\"a\":\"" + std::string(n, 'x') + "\"}}"); }
std::string long_name(std::size_t n) { return with_length("{\"" + std::string(n, 'x') + "\":{}}"); }
std::string long_type(std::size_t n) {
  return with_length("{\"a\":{\"dtype\":\"" + std::string(n, 'x') + R"(","shape":[],"data_offsets":[0,0]}})");
}
std::string long_number(std::size_t n) { return with_length("{\"a\":" + std::string(n, '7') + "}"); }
std::string escapes(std::size_t n) { return with_length("{\"" + repeated("\\u00e9", n) + "\":0}"); }
std::string deep(std::size_t n) { return with_length(std::string(n, '[')); }

std::string gltf_objects(std::size_t n) { return gltf(listed("\"x\":[", "{}", "]", n)); }
std::string gltf_members(std::size_t n) { return gltf(listed("\"x\":[", "{\"\":0}", "]", n)); }
// n nodes show one mesh of n primitives.
std::string gltf_nodes_times_primitives(std::size_t bytes, const std::string& count, const std::string& buffer) {
  const std::size_t n = bytes / 53 + 1;
  return gltf(numbered("\"scene\":0,\"scenes\":[{\"nodes\":[", "", "", "]}],", n * 4) +
              listed("\"nodes\":[", "{\"mesh\":0}", "],", n * 11) +
              listed("\"meshes\":[{\"primitives\":[", "{\"attributes\":{\"POSITION\":0}}", "]}],", n * 31) +
              R"("accessors":[{"bufferView":0,"componentType":5126,"count":)" + count + R"(,"type":"VEC3"}],)" +
              R"("bufferViews":[{"buffer":0,"byteLength":)" + std::to_string(buffer.size() / 4 * 3) + "}]," +
              R"("buffers":[{"byteLength":)" + std::to_string(buffer.size() / 4 * 3) + R"(,"uri":"data:;base64,)" + buffer +
              "\"}]");
}
std::string gltf_empty_parts(std::size_t n) { return gltf_nodes_times_primitives(n, "0", std::string(48, 'A')); }
std::string gltf_large_parts(std::size_t n) {
  const std::size_t vertices = n / 32 + 1;
  return gltf_nodes_times_primitives(n / 2, std::to_string(vertices), std::string(vertices * 16, 'A'));
}
std::string gltf_buffers(std::size_t n) {
  return gltf(listed("\"buffers\":[", R"({"byteLength":3,"uri":"data:;base64,AAAA"})", "]", n));
}

std::string obj_long_material(std::size_t n) {
  const std::string name(n / 2, 'm');
  return "v 0 0 0\nusemtl " + name + "\n" + repeated("f 1 1 1\n", n / 2);
}
std::string obj_corners(std::size_t n) {
  std::string out = repeated("v 0 0 0\nvt 0 0\nvn 0 0 1\n", n / 4);
  const std::size_t rows = out.size() / 23;
  std::size_t i = 0;
  while (out.size() < n) {
    out += "f";
    for (int k = 0; k < 3; ++k, i += 7) {
      out.append(" ").append(std::to_string(i % rows + 1)).append("/").append(std::to_string(i / rows % rows + 1));
      out.append("/").append(std::to_string(i % 5 + 1));
    }
    out += "\n";
  }
  return out;
}
std::string obj_joined_lines(std::size_t n) { return "v 0 0 0\nf" + repeated(" 1 \\\n", n); }
std::string obj_empty_lines(std::size_t n) { return "v 0 0 0\n" + std::string(n, '\n'); }
std::string obj_polygon(std::size_t n) { return "v 0 0 0\nf" + repeated(" 1", n); }

std::string stl_text(std::size_t bytes) {
  std::string out = "solid x\n";
  for (int i = 0; out.size() < bytes; ++i) {
    const std::string n = std::to_string(i);
    for (const char* text :
         {"facet\nvertex ", n.c_str(), " 0 0\nvertex 0 ", n.c_str(), " 0\nvertex 0 0 ", n.c_str(), "\nendfacet\n"})
      out += text;
  }
  return out;
}

std::string stl_of_nan(std::size_t bytes) {
  const auto count = static_cast<std::uint32_t>(bytes / 50);
  std::string out(80, '\0');
  out.append(reinterpret_cast<const char*>(&count), 4);
  for (std::uint32_t i = 0; i < count; ++i) out.append(48, '\xFF').append(2, '\0');
  return out;
}

std::string ply(const std::string& elements) { return "ply\nformat binary_little_endian 1.0\n" + elements + "end_header\n"; }
std::string ply_polygon(std::size_t n) {
  std::string body(4, '\0');
  const auto length = static_cast<std::uint32_t>(n);
  std::memcpy(body.data(), &length, 4);
  return ply("element vertex 0\nproperty float x\nelement face 1\nproperty list uint uchar vertex_indices\n") + body +
         std::string(n, '\0');
}
std::string ply_polygon_of_many(std::size_t n) {
  const std::string count = std::to_string(n / 2);
  std::string body(n / 2 + 4, '\0');
  const auto length = static_cast<std::uint32_t>(n / 2);
  std::memcpy(body.data() + n / 2, &length, 4);
  return ply("element vertex " + count + "\nproperty uchar x\nproperty uchar y\nproperty uchar z\nelement face 1\n" +
             "property list uint uchar vertex_indices\n") +
         body + std::string(n, '\0');
}
std::string ply_columns(std::size_t n) {
  std::string properties;
  for (const char* name :
       {"x", "y", "z", "nx", "ny", "nz", "red", "green", "blue", "s", "t", "u", "v", "texture_u", "texture_v"})
    properties += std::string("property uchar ") + name + "\n";
  return ply("element vertex " + std::to_string(n / 15) + "\n" + properties) + std::string(n, '\0');
}
std::string ply_empty_lists(std::size_t n) {
  return ply("element vertex 1\nproperty uchar x\nelement face " + std::to_string(n) +
             "\nproperty list uchar uchar vertex_indices\n") +
         std::string(n + 1, '\0');
}
std::string ply_comments(std::size_t n) { return "ply\nformat ascii 1.0\n" + repeated("comment x\n", n) + "end_header\n"; }

std::string gzip(const std::string& bytes) {
  std::string out(compressBound(bytes.size()) + 64, '\0');
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}
// As many equal Gaussians as deflate can hide in so few bytes.
std::string spz(std::size_t bytes) {
  constexpr std::size_t kRow = 20;
  const std::size_t count = std::min<std::size_t>(bytes * 1000 / kRow, 9'900'000);
  std::string body(16 + count * kRow, '\0');
  const std::uint32_t head[3] = {0x5053474E, 3, static_cast<std::uint32_t>(count)};
  std::memcpy(body.data(), head, sizeof head);
  return gzip(body);
}
std::string splat(std::size_t n) {
  std::string row(32, '\1');
  return repeated(row, n);
}
// Every other corner turns inwards.
std::string obj_comb(std::size_t n) {
  std::string points, polygon = "f";
  int i = 0;
  while (points.size() + polygon.size() < n) {
    points.append("v ").append(std::to_string(i)).append(i % 2 == 0 ? " 0 0\n" : " 5 0\n");
    polygon.append(" ").append(std::to_string(++i));
  }
  return points + "v " + std::to_string(i) + " 9 0\nv 0 9 0\n" + polygon + " " + std::to_string(i + 1) + " " +
         std::to_string(i + 2) + "\n";
}
std::string obj_materials(std::size_t n) {
  std::string out = "v 0 0 0\nv 1 0 0\nv 0 1 0\n";
  for (int i = 0; out.size() < n; ++i) out.append("usemtl m").append(std::to_string(i)).append("\nf 1 2 3\n");
  return out;
}
std::string ply_strip(std::size_t n) {
  const auto length = static_cast<std::uint32_t>(n);
  std::string body(7, '\0');
  std::memcpy(body.data() + 3, &length, 4);
  std::string strip(n, '\0');
  for (std::size_t i = 0; i < n; ++i) strip[i] = static_cast<char>(i % 3);
  return ply("element vertex 1\nproperty uchar x\nproperty uchar y\nproperty uchar z\nelement tristrips 1\n"
             "property list uint uchar vertex_indices\n") +
         body + strip;
}
std::string ply_corner_uvs(std::size_t n) {
  std::string faces;
  const char one[] = {3, 0, 1, 2, 6, 0, 1, 2, 3, 4, 5};
  while (faces.size() < n) faces.append(one, sizeof one);
  return ply("element vertex 3\nproperty uchar x\nproperty uchar y\nproperty uchar z\nelement face " +
             std::to_string(faces.size() / sizeof one) +
             "\nproperty list uchar uchar vertex_indices\nproperty list uchar uchar texcoord\n") +
         std::string(9, '\1') + faces;
}
// A buffer view that says that its few bytes unpack to very many.
std::string gltf_packed(std::size_t n) {
  return gltf(
      R"("meshes":[{"primitives":[{"attributes":{"POSITION":0}}]}],"accessors":[{"bufferView":0,"componentType":5126,"count":)" +
      std::to_string(n * 100) +
      R"(,"type":"VEC3"}],"bufferViews":[{"buffer":0,"byteLength":1,"extensions":{"EXT_meshopt_compression":)" +
      R"({"buffer":0,"byteLength":)" + std::to_string(n / 4 * 3) + R"(,"byteStride":12,"mode":"ATTRIBUTES","count":)" +
      std::to_string(n * 100) + R"(}}}],"buffers":[{"byteLength":)" + std::to_string(n / 4 * 3) + R"(,"uri":"data:;base64,)" +
      std::string(n / 4 * 4, 'A') + "\"}]");
}
std::string gltf_zeros(std::size_t n) {
  return gltf(R"("meshes":[{"primitives":[{"attributes":{"POSITION":0}}]}],"accessors":[{"componentType":5126,"count":)" +
              std::to_string(n * 1000) + R"(,"type":"VEC3"}])");
}
// Vertices that are not stored, moved again and again by what is not stored.
std::string gltf_morphs(std::size_t n) {
  return gltf(listed("\"meshes\":[{\"primitives\":[{\"attributes\":{\"POSITION\":0},\"targets\":[", R"({"POSITION":0})", "]}],",
                     n / 8 * 7) +
              listed("\"weights\":[", "1", "]}],", n / 8) +
              R"("accessors":[{"componentType":5126,"count":1000000,"type":"VEC3"}])");
}
std::string text_of(const std::vector<std::byte>& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
// As many equal lines of XML as deflate can hide in so few bytes.
std::string three_mf(std::size_t n) {
  const auto file = [](const char* name, const std::string& text) {
    NamedFile out{name, {}};
    for (const char c : text) out.bytes.push_back(static_cast<std::byte>(c));
    return out;
  };
  std::vector<NamedFile> files;
  files.push_back(file("[Content_Types].xml", "<Types/>"));
  files.push_back(file("_rels/.rels", R"(<Relationships><Relationship Target="/m.model" Type="x/3dmodel"/></Relationships>)"));
  files.push_back(file("m.model", "<model><object id=\"1\">" + repeated("<vertex x=\"0\" y=\"0\" z=\"0\"/>", n * 500)));
  return text_of(encode_zip(files));
}
std::string spz4(std::size_t n) {
  std::string body(32, '\0');
  const std::uint32_t head[3] = {0x5053474E, 4, static_cast<std::uint32_t>(std::min<std::size_t>(n * 1000, 19'000'000))};
  std::memcpy(body.data(), head, sizeof head);
  body[15] = 5;
  body[16] = 32;
  return body + std::string(n, '\1');
}
std::string ksplat_rows(std::size_t n) {
  std::string body(4096 + 1024, '\0');
  const auto put = [&](std::size_t at, std::uint32_t value) { std::memcpy(body.data() + at, &value, 4); };
  body[1] = 1;
  put(4, 1);
  const auto count = static_cast<std::uint32_t>(n / 44);
  for (const std::size_t at : {16U, 4096U, 4100U}) put(at, count);
  return body + std::string(std::size_t{count} * 44, '\1');
}

// A progressive image of 36 million grey pixels: scan after scan that says in few bytes that nothing changes.
std::string jpeg_scans(std::size_t n) {
  constexpr std::size_t kSide = 6000, kBlocks = (kSide / 8) * (kSide / 8), kRun = 16384;
  const auto bytes = [](std::initializer_list<int> values) {
    std::string out;
    for (const int v : values) out.push_back(static_cast<char>(v));
    return out;
  };
  std::string out = bytes({0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0}) + std::string(64, '\1');
  out += bytes({0xFF, 0xC2, 0, 11, 8, kSide >> 8, kSide & 255, kSide >> 8, kSide & 255, 1, 1, 0x11, 0});
  // One code of one bit: a run of at least 2^14 blocks without a coefficient; 14 bits say how many more.
  out += bytes({0xFF, 0xC4, 0, 20, 0x10, 1}) + std::string(15, '\0') + bytes({0xE0});
  const std::string scan = bytes({0xFF, 0xDA, 0, 8, 1, 1, 0, 1, 63, 0}) + std::string((kBlocks / kRun + 1) * 15 / 8 + 1, '\0');
  return out + repeated(scan, n) + bytes({0xFF, 0xD9});
}
// The same damaged texture of 64 million announced pixels, again and again.
std::string gltf_textures(std::size_t n) {
  std::vector<std::byte> image = encode_png(Image(8000, 8000, 3));
  image.resize(image.size() - 100);
  std::string data;
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  image.resize(image.size() / 3 * 3);
  for (std::size_t i = 0; i < image.size(); i += 3) {
    const auto at = [&](std::size_t k) { return std::to_integer<unsigned>(image[i + k]); };
    const unsigned word = at(0) << 16U | at(1) << 8U | at(2);
    for (const unsigned shift : {18U, 12U, 6U, 0U}) data.push_back(kDigits[word >> shift & 63U]);
  }
  const std::size_t count = std::min<std::size_t>(n / 100 + 1, 1000);
  const std::string bytes = std::to_string(image.size());
  return gltf(
      listed("\"images\":[", R"({"bufferView":0,"mimeType":"image/png"})", "],", count * 42) +
      numbered("\"textures\":[", "{\"source\":", "}", "],", count * 14) +
      numbered("\"materials\":[", R"({"pbrMetallicRoughness":{"baseColorTexture":{"index":)", "}}}", "],", count * 60) +
      numbered("\"meshes\":[{\"primitives\":[", R"({"attributes":{"POSITION":0,"TEXCOORD_0":1},"material":)", "}", "]}],",
               count * 60) +
      R"("accessors":[{"componentType":5126,"count":3,"type":"VEC3"},{"componentType":5126,"count":3,"type":"VEC2"}],)" +
      R"("bufferViews":[{"buffer":0,"byteLength":)" + bytes + R"(}],"buffers":[{"byteLength":)" + bytes +
      R"(,"uri":"data:;base64,)" + data + "\"}]");
}
// Chunks that say nothing, around an image that says as much.
std::string png_of_zeros(std::size_t n) {
  const std::vector<std::byte> image = encode_png(Image(1, 1, 3));
  const std::string text = text_of(image);
  const std::string chunk = std::string("\0\0\0\0tEXt\x96\x42\xc5\x85", 12);
  return text.substr(0, 33) + repeated(chunk, n) + text.substr(33);
}
std::vector<WorstShape> with_others(std::vector<WorstShape> shapes) {
  for (const std::vector<WorstShape>& more : {image_shapes(), packed_shapes(), weight_shapes()})
    shapes.insert(shapes.end(), more.begin(), more.end());
  return shapes;
}

}  // namespace

const std::vector<WorstShape>& worst_shapes() {
  static const std::vector<WorstShape> shapes = with_others({
      {"safetensors", "objects side by side", many_objects},
      {"safetensors", "empty tensors", many_tensors},
      {"safetensors", "keys that are no tensors", many_keys},
      {"safetensors", "one long string", long_string},
      {"safetensors", "one long name", long_name},
      {"safetensors", "one long type", long_type},
      {"safetensors", "one long number", long_number},
      {"safetensors", "escapes", escapes},
      {"safetensors", "deep", deep},
      {"latent", "objects side by side", many_objects},
      {"latent", "empty tensors", many_tensors},
      {"pipeline", "objects side by side", gltf_objects},
      {"module", "objects side by side", gltf_objects},
      {"gltf", "objects side by side", gltf_objects},
      {"gltf", "members side by side", gltf_members},
      {"gltf", "nodes times empty primitives", gltf_empty_parts},
      {"gltf", "nodes times primitives", gltf_large_parts},
      {"gltf", "buffers", gltf_buffers},
      {"obj", "a long material", obj_long_material},
      {"obj", "corners", obj_corners},
      {"obj", "joined lines", obj_joined_lines},
      {"obj", "empty lines", obj_empty_lines},
      {"obj", "one polygon", obj_polygon},
      {"stl", "text", stl_text, std::size_t{20} << 20U},  // honest: all of it is triangles
      {"stl", "what is no number", stl_of_nan},
      {"ply", "one polygon without vertices", ply_polygon},
      {"ply", "one polygon", ply_polygon_of_many},
      {"ply", "narrow columns", ply_columns},
      {"ply", "empty polygons", ply_empty_lists},
      {"ply", "comments", ply_comments},
      {"spz", "equal Gaussians", spz, 200'000},
      {"splat", "rows", splat},
      {"obj", "one comb", obj_comb},
      {"obj", "materials", obj_materials},
      {"ply", "one strip", ply_strip},
      {"ply", "coordinates of corners", ply_corner_uvs, std::size_t{20} << 20U},
      {"gltf", "a view that unpacks to much", gltf_packed},
      {"gltf", "zeros that are not stored", gltf_zeros},
      {"gltf", "targets of vertices that are not stored", gltf_morphs},
      {"3mf", "equal vertices", three_mf, 200'000},
      {"spz", "Gaussians of version 4 that are not there", spz4},
      {"ksplat", "rows", ksplat_rows},
      {"gltf", "textures that are damaged", gltf_textures, std::size_t{1} << 20U},
      {"jpeg", "scans that change nothing", jpeg_scans, std::size_t{1} << 20U},
      {"png", "chunks that say nothing", png_of_zeros},
  });
  return shapes;
}

}  // namespace espalier::test
