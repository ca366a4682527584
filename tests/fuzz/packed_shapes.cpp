// Worst inputs of the readers of what is packed: archives, Draco, Gaussians in images.
#include <draco/compression/encode.h>
#include <draco/mesh/mesh.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "image/codec.h"
#include "io/formats/zip.h"
#include "support/bytes.h"
#include "unit/io/packed_samples.h"
#include "worst_shapes.h"

namespace espalier::test {
namespace {

std::string text_of(const std::vector<std::byte>& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
std::string archive(const std::vector<std::pair<std::string, std::string>>& members) {
  std::vector<NamedFile> files;
  for (const auto& [name, text] : members) files.push_back({name, bytes_of(text)});
  return text_of(encode_zip(files));
}

std::string draco_primitive(std::size_t faces, const std::string& data) {
  const std::string count = std::to_string(faces * 3), bytes = std::to_string(data.size());
  return text_of(glb_with(R"("meshes":[{"primitives":[{"attributes":{"POSITION":0},"indices":1,"extensions":)"
                          R"({"KHR_draco_mesh_compression":{"bufferView":0,"attributes":{"POSITION":0}}}}]}],)"
                          R"("accessors":[{"componentType":5126,"count":3,"type":"VEC3"},{"componentType":5125,"count":)" +
                              count + R"(,"type":"SCALAR"}],"bufferViews":[{"buffer":0,"byteLength":)" + bytes +
                              R"(}],"buffers":[{"byteLength":)" + std::to_string((data.size() + 3) / 4 * 4) + "}]",
                          bytes_of(data + std::string((4 - data.size() % 4) % 4, '\0')), "KHR_draco_mesh_compression"));
}
// The same triangle as often as may be, which says itself in hardly any bytes.
std::string draco_equal(std::size_t n) {
  const auto faces = static_cast<std::uint32_t>(std::min<std::size_t>(n * 100, 4'000'000));
  draco::Mesh mesh;
  mesh.set_num_points(3);
  mesh.SetNumFaces(faces);
  for (draco::FaceIndex f(0); f < faces; ++f)
    mesh.SetFace(f, {draco::PointIndex(0), draco::PointIndex(1), draco::PointIndex(2)});
  draco::GeometryAttribute position;
  position.Init(draco::GeometryAttribute::POSITION, nullptr, 3, draco::DT_FLOAT32, false, 12, 0);
  const int id = mesh.AddAttribute(position, true, 3);
  for (std::uint32_t i = 0; i < 3; ++i) mesh.attribute(id)->SetAttributeValue(draco::AttributeValueIndex(i), kSquare[i].data());
  draco::Encoder encoder;
  encoder.SetEncodingMethod(draco::MESH_SEQUENTIAL_ENCODING);
  draco::EncoderBuffer buffer;
  if (!encoder.EncodeMeshToBuffer(mesh, &buffer).ok()) return {};
  return draco_primitive(faces, {buffer.data(), buffer.size()});
}
// A head that promises `faces` and `points`, and zeros.
std::string draco_promises(std::size_t n, char method) {
  const auto varint = [](std::uint64_t value) {
    std::string out;
    for (; value > 127; value >>= 7U) out += static_cast<char>((value & 127U) | 128U);
    return out + static_cast<char>(value);
  };
  std::string head("DRACO\x02\x02\x01", 8);
  head += std::string(1, method) + std::string(2, '\0') + (method == 1 ? std::string(1, '\0') : std::string());
  return draco_primitive(1, head + varint(9'900'000) + varint(9'900'000) + std::string(n, '\0'));
}
std::string draco_sequential(std::size_t n) { return draco_promises(n, 0); }
std::string draco_edgebreaker(std::size_t n) { return draco_promises(n, 1); }

std::string splat_attributes() {
  return R"("attributes":{"POSITION":0,"KHR_gaussian_splatting:ROTATION":1,"KHR_gaussian_splatting:SCALE":0,)"
         R"("KHR_gaussian_splatting:OPACITY":2,"KHR_gaussian_splatting:SH_DEGREE_0_COEF_0":0},)"
         R"("mode":0,"extensions":{"KHR_gaussian_splatting":{"kernel":"ellipse"}})";
}
std::string splat_accessors(std::size_t count) {
  std::string out = "\"accessors\":[";
  for (const char* type : {"VEC3", "VEC4", "SCALAR"})
    out += std::string(out.back() == '[' ? "" : ",") + R"({"componentType":5126,"count":)" + std::to_string(count) +
           R"(,"type":")" + type + "\"}";
  return out + "]";
}
std::string splat_gltf(const std::string& members) {
  return R"({"asset":{"version":"2.0"},"extensionsUsed":["KHR_gaussian_splatting"],"scene":0,)" + members + "}";
}
std::string gaussians_not_stored(std::size_t n) {
  return splat_gltf(R"("scenes":[{"nodes":[0]}],"nodes":[{"mesh":0}],"meshes":[{"primitives":[{)" + splat_attributes() +
                    "}]}]," + splat_accessors(n * 1000));
}
// n nodes show one mesh of n clouds.
std::string gaussians_shown_often(std::size_t bytes) {
  const std::size_t n = bytes / 300 + 1;
  std::string roots = "0", nodes = R"({"mesh":0})", clouds = std::string("{").append(splat_attributes()).append("}");
  for (std::size_t i = 1; i < n; ++i) {
    roots.append(",").append(std::to_string(i));
    nodes += R"(,{"mesh":0})";
    clouds.append(",{").append(splat_attributes()).append("}");
  }
  return splat_gltf("\"scenes\":[{\"nodes\":[" + roots + "]}],\"nodes\":[" + nodes + R"(],"meshes":[{"primitives":[)" + clouds +
                    "]}]," + splat_accessors(n));
}

// Images of which every file of Gaussians is made, in one colour, and `n` bytes that nobody reads.
std::string sog_of(std::size_t n, int side, std::size_t count) {
  static const std::string large = text_of(encode_webp(Image(10000, 10000, 4), {.lossless = true}));
  const std::string image = side == 10000 ? large : text_of(encode_webp(Image(side, side, 4), {.lossless = true}));
  std::string book = "0";
  for (int i = 1; i < 256; ++i) book += ",0";
  std::vector<NamedFile> files;
  for (const char* name : {"l", "u", "q", "s", "c"}) files.push_back({name, bytes_of(image)});
  files.push_back(
      {"meta.json",
       bytes_of(R"({"version":2,"count":)" + std::to_string(count) +
                R"(,"means":{"mins":[0,0,0],"maxs":[1,1,1],"files":["l","u"]},"scales":{"codebook":[)" + book +
                R"(],"files":["s"]},"quats":{"files":["q"]},"sh0":{"codebook":[)" + book + R"(],"files":["c"]}})")});
  files.push_back({"rest", bytes_of(std::string(n, '\0'))});
  return text_of(encode_stored_zip(files, 64));
}
std::string sog_images(std::size_t n) { return sog_of(n, 10000, 1); }
std::string sog_counts(std::size_t n) {
  const int side = n > (std::size_t{1} << 16U) ? 3100 : 300;
  return sog_of(n, side, static_cast<std::size_t>(side) * side);
}
std::string sog_lists(std::size_t n) {
  return archive({{"meta.json", R"({"version":2,"count":1,"means":{"mins":[)" + repeated("0,", n) + "0]}}"}});
}

std::string zip_members(std::size_t n) {
  std::vector<NamedFile> files;
  for (std::size_t i = 0; i < std::min<std::size_t>(n / 110, 65'000); ++i) files.push_back({std::to_string(i), {}});
  files.push_back({"a.obj", bytes_of("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")});
  return text_of(encode_zip(files));
}
// As many lines as deflate can hide in so few bytes.
std::string zip_obj(std::size_t n) { return archive({{"a.obj", repeated("v 0 0 0\n", n * 500) + "f 1 1 1\n"}}); }
std::string zip_gltf(std::size_t n) {
  std::string objects = R"({"asset":{"version":"2.0"},"x":[)" + repeated("{},", n * 500);
  objects.back() = ']';
  return archive({{"a.gltf", objects + "}"}});
}
// An image that is large and small, as the texture of a material each.
std::string zip_textures(std::size_t n) {
  static const std::vector<std::byte> image = encode_png(Image(8000, 8000, 3));
  std::string obj = "mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\n", mtl;
  const std::size_t count = std::clamp<std::size_t>(n / 80, 1, 1000);
  for (std::size_t i = 0; i < count; ++i) {
    obj += "usemtl m" + std::to_string(i) + "\nf 1/1 2/1 3/1\n";
    mtl += "newmtl m" + std::to_string(i) + "\nmap_Kd " + std::string(i % 500 * 2, ' ') + "t.png\n";
  }
  std::vector<NamedFile> files{{"a.obj", bytes_of(obj)}, {"a.mtl", bytes_of(mtl)}, {"t.png", image}};
  return text_of(encode_zip(files));
}
std::string three_mf(const std::string& model) {
  return archive({{"[Content_Types].xml", "<Types/>"},
                  {"_rels/.rels", R"(<Relationships><Relationship Target="/m.model" Type="x/3dmodel"/></Relationships>)"},
                  {"m.model", model}});
}
// Each object is ten of the one before it.
std::string three_mf_components(std::size_t n) {
  std::string model =
      R"(<model><resources><object id="1"><mesh><vertices><vertex x="0" y="0" z="0"/><vertex x="1" y="0" z="0"/>)"
      R"(<vertex x="0" y="1" z="0"/></vertices><triangles><triangle v1="0" v2="1" v3="2"/></triangles></mesh></object>)";
  int id = 2;
  for (; model.size() < n; ++id) {
    model += "<object id=\"" + std::to_string(id) + "\"><components>";
    for (int k = 0; k < 10; ++k) model += "<component objectid=\"" + std::to_string(id - 1) + "\"/>";
    model += "</components></object>";
  }
  return three_mf(model + "</resources><build><item objectid=\"" + std::to_string(id - 1) + "\"/></build></model>");
}
// One object as often as it can be named.
std::string three_mf_items(std::size_t n) {
  return three_mf(R"(<model><resources><object id="1"><mesh><vertices><vertex x="0" y="0" z="0"/><vertex x="1" y="0" z="0"/>)"
                  R"(<vertex x="0" y="1" z="0"/></vertices><triangles>)" +
                  repeated(R"(<triangle v1="0" v2="1" v3="2"/>)", n * 20) + "</triangles></mesh></object></resources><build>" +
                  repeated(R"(<item objectid="1"/>)", n * 20) + "</build></model>");
}
std::string three_mf_attributes(std::size_t n) { return three_mf("<model" + repeated(" a=\"b\"", n * 100) + "/>"); }
std::string three_mf_deep(std::size_t n) { return three_mf("<model>" + repeated("<a>", n * 100)); }

// RIFF chunks that say nothing, before an image that is as large as can be.
std::string webp_with(std::size_t n, std::string_view chunk) {
  static const std::string image = text_of(encode_webp(Image(10000, 10000, 4), {.lossless = true}));
  std::string head("WEBPVP8X\x0A\0\0\0\0\0\0\0\x0F\x27\0\x0F\x27\0", 22);
  std::string body = head + repeated(chunk, n) + image.substr(12);
  std::string size;
  for (unsigned i = 0; i < 4; ++i) size += static_cast<char>(body.size() >> (8U * i) & 0xFFU);
  return "RIFF" + size + body;
}
std::string webp_chunks(std::size_t n) { return webp_with(n, std::string_view("none\0\0\0\0", 8)); }
std::string webp_profiles(std::size_t n) { return webp_with(n, std::string_view("EXIF\x02\0\0\0II", 10)); }

}  // namespace

std::vector<WorstShape> packed_shapes() {
  constexpr std::size_t kPacked = 200'000;  // bytes; more of them say nothing new
  return {{"packed-gltf", "equal triangles of Draco", draco_equal, kPacked},
          {"packed-gltf", "Draco that promises, in order", draco_sequential},
          {"packed-gltf", "Draco that promises, as a walk", draco_edgebreaker},
          {"gaussian-glb", "Gaussians that are not stored", gaussians_not_stored},
          {"gaussian-glb", "clouds that are shown often", gaussians_shown_often},
          {"sog", "large images of one Gaussian", sog_images},
          {"sog", "equal Gaussians", sog_counts, std::size_t{1} << 20U},  // honest beyond: so many bytes may hold as many
          {"sog", "a list of places", sog_lists},
          {"archive", "empty members", zip_members},
          {"archive", "equal lines of OBJ", zip_obj, kPacked},
          {"archive", "objects of glTF side by side", zip_gltf, kPacked},
          {"archive", "one image again and again", zip_textures, kPacked},
          {"archive", "components of components", three_mf_components, std::size_t{1} << 20U},
          {"archive", "items of one object", three_mf_items, kPacked},
          {"archive", "attributes", three_mf_attributes, kPacked},
          {"archive", "elements in each other", three_mf_deep, kPacked},
          {"webp", "chunks that say nothing", webp_chunks},
          {"webp", "orientations", webp_profiles}};
}

}  // namespace espalier::test
