// Worst inputs of the readers of weights, of assets, and of the lists that say where weights come from.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "image/codec.h"
#include "support/onnx_writer.h"
#include "support/torch_writer.h"
#include "worst_shapes.h"

namespace espalier::test {
namespace {

std::string graph(const std::string& parts) {
  const std::string small = onnx::blob(11, onnx::value("x", {1, 3, 8, 8}));
  return onnx::number(1, 8) + onnx::blob(7, small + parts) + onnx::blob(8, onnx::number(2, 13));
}
std::string onnx_nodes(std::size_t n) { return graph(repeated(onnx::blob(1, ""), n)); }
std::string onnx_tensors(std::size_t n) { return graph(repeated(onnx::blob(5, ""), n)); }
std::string onnx_fields(std::size_t n) { return graph(repeated(onnx::number(15, 0), n)); }
std::string onnx_attributes(std::size_t n) {
  return graph(onnx::blob(1, onnx::blob(2, "y") + onnx::blob(4, "Relu") + repeated(onnx::blob(5, ""), n)));
}
std::string onnx_inputs(std::size_t n) {
  return graph(onnx::blob(1, onnx::blob(4, "Concat") + repeated(onnx::blob(1, "x"), n) + onnx::blob(2, "y")));
}
std::string onnx_name(std::size_t n) { return graph(onnx::blob(1, onnx::blob(4, std::string(n, 'x')) + onnx::blob(2, "y"))); }
// Node after node, each of what the one before it makes: in order, and the other way round.
std::string onnx_chain(std::size_t n, bool backwards) {
  std::vector<std::string> nodes;
  std::string last = "x";
  for (std::size_t size = 0; size < n; size += nodes.back().size()) {
    std::string next = std::to_string(nodes.size());
    nodes.push_back(onnx::blob(1, onnx::blob(1, last) + onnx::blob(1, last) + onnx::blob(2, next) + onnx::blob(4, "Add")));
    last = std::move(next);
  }
  if (backwards) std::reverse(nodes.begin(), nodes.end());
  std::string all;
  for (const std::string& node : nodes) all += node;
  return graph(all + onnx::blob(12, onnx::value(last, {1, 3, 8, 8})));
}
std::string onnx_forwards(std::size_t n) { return onnx_chain(n, false); }
std::string onnx_backwards(std::size_t n) { return onnx_chain(n, true); }
// Maps that all are alive until the end.
std::string onnx_alive(std::size_t n) {
  std::string all, sums, last = "x";
  for (int i = 0; all.size() + sums.size() < n; ++i) {
    const std::string number = std::to_string(i), name = "a" + number;
    std::string sum = "s" + number;
    all += onnx::blob(1, onnx::blob(1, "x") + onnx::blob(2, name) + onnx::blob(4, "Relu"));
    sums += onnx::blob(1, onnx::blob(1, last) + onnx::blob(1, name) + onnx::blob(2, sum) + onnx::blob(4, "Add"));
    last = std::move(sum);
  }
  return graph(all + sums + onnx::blob(12, onnx::value(last, {1, 3, 8, 8})));
}

std::string torch_entries(std::size_t n) {
  ZipParts parts;
  parts.alignment = 0;
  parts.entries.emplace_back("archive/data.pkl", torch_pickle({}));
  for (std::size_t i = 0; i < n / 110; ++i) parts.entries.emplace_back("archive/data/" + std::to_string(i), "");
  return zip_archive(parts);
}
std::string many_torch_tensors(std::size_t n, const TorchTensorText& tensor) {
  std::vector<TorchTensorText> tensors(n / 250 + 1, tensor);
  for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i].name = std::to_string(i);
  return torch_archive(torch_pickle(tensors), {{"0", std::string(4, 'x')}});
}
std::string torch_tensors(std::size_t n) {
  return many_torch_tensors(n, {.name = "w", .count = 1, .extents = {1}, .strides = {1}});
}
// One number again and again, as far as that is allowed.
std::string torch_repeats(std::size_t n) {
  return many_torch_tensors(n, {.name = "w", .count = 1, .extents = {5000, 5000}, .strides = {0, 0}});
}
std::string torch_many_extents(std::size_t n) {
  TorchTensorText tensor{.name = "w", .count = 1, .extents = {}, .strides = {}};
  tensor.extents.assign(n / 4, 1);
  tensor.strides.assign(n / 4, 1);
  return torch_archive(torch_pickle({tensor}), {{"0", std::string(4, 'x')}});
}
std::string legacy_storages(std::size_t n) {
  return torch_legacy(torch_pickle({}, true), std::vector<LegacyStorage>(n / 16 + 1, {"0", 0, ""}));
}
std::string legacy_length(std::size_t n) {
  return torch_legacy(torch_pickle({}, true), {{"0", std::uint64_t{1} << 40U, std::string(n, '\0')}});
}

std::string pickle_of(const std::string& unit, std::size_t n) { return PickleWriter().raw(repeated(unit, n)).stop(); }
std::string pickle_values(std::size_t n) { return PickleWriter().raw("](" + repeated("N", n) + "e").stop(); }
std::string pickle_lists(std::size_t n) { return pickle_of("]", n); }
std::string pickle_marks(std::size_t n) { return pickle_of("(", n); }
std::string pickle_deep(std::size_t n) { return PickleWriter().raw(")" + repeated("\x85", n)).stop(); }
std::string pickle_appended(std::size_t n) { return PickleWriter().raw("]" + repeated("Na", n)).stop(); }
std::string pickle_memo(std::size_t n) {
  return PickleWriter().raw("]" + repeated(std::string("r\xFF\xFF\x07\0", 5), n)).stop();
}
std::string pickle_names(std::size_t n) { return pickle_of("ccollections\nOrderedDict\n", n); }
std::string pickle_name(std::size_t n) { return pickle_of("c" + std::string(n, 'x') + "\nx\n", 1); }
std::string pickle_calls(std::size_t n) { return pickle_of("ccollections\nOrderedDict\n)R", n); }
// Each list holds the one before it many times over.
std::string pickle_nested(std::size_t n) {
  PickleWriter out;
  out.raw("]q").op('\0');
  for (int i = 1; out.bytes().size() < n; ++i) {
    const char before = static_cast<char>((i - 1) % 250), now = static_cast<char>(i % 250);
    out.raw("](");
    for (int k = 0; k < 16; ++k) out.op('h').op(before);
    out.op('e').op('q').op(now);
  }
  return out.stop();
}

std::string with_length(const std::string& header) { return little_endian(header.size(), 8) + header; }
std::string asset_records(std::size_t n) {
  std::string out = R"({"__metadata__":{"format":"espalier-asset-1")";
  for (int i = 0; out.size() < n; ++i) out += ",\"record: " + std::to_string(i) + R"(":"x")";
  return with_length(out + "}}");
}
// As many images as may be, of the most pixels in the fewest bytes.
std::string asset_images(std::size_t n) {
  static const std::vector<std::byte> largest = encode_png(Image(1024, 1024, 4)), huge = encode_png(Image(10000, 10000, 4));
  const std::vector<std::byte>& one = n > (std::size_t{1} << 16U) ? huge : largest;
  const std::size_t count = std::clamp<std::size_t>(n / one.size(), 1, 64);
  std::string header = R"({"__metadata__":{"format":"espalier-asset-1"})", body;
  for (std::size_t i = 0; i < count; ++i) {
    header += ",\"image." + std::to_string(i + 1) + R"(":{"dtype":"U8","shape":[)" + std::to_string(one.size()) +
              R"(,1],"data_offsets":[)" + std::to_string(body.size()) + "," + std::to_string(body.size() + one.size()) + "]}";
    body.append(reinterpret_cast<const char*>(one.data()), one.size());
  }
  return with_length(header + "}") + body;
}
// Gaussians of no harmonics and a mesh whose faces all name the first vertex: what is there is taken.
std::string asset_arrays(std::size_t n) {
  const std::size_t rows = n / 56 + 1;
  std::string header = R"({"__metadata__":{"format":"espalier-asset-1"})";
  std::size_t at = 0;
  for (const auto& [name, columns] : {std::pair{"xyz", 3U}, {"dc", 3U}, {"scale", 3U}, {"rotation", 4U}, {"opacity", 1U}}) {
    header += std::string(R"(,"gaussians.)") + name + R"(":{"dtype":"F32","shape":[)" + std::to_string(rows) + "," +
              std::to_string(columns) + R"(],"data_offsets":[)" + std::to_string(at) + ",";
    at += rows * columns * 4;
    header += std::to_string(at) + "]}";
  }
  return with_length(header + "}") + repeated("\x3f\x3f\x3f\x3f", at);
}

std::string pipeline_of(const std::string& members, const std::string& unit, std::size_t n) {
  std::string out = members;
  for (int i = 0; out.size() < n; ++i) out += (i == 0 ? "\"" : ",\"") + std::to_string(i) + unit;
  return out + "}}}";
}
std::string references_models(std::size_t n) { return pipeline_of(R"({"args":{"models":{)", R"(":"ckpts/a")", n); }
std::string references_foreign(std::size_t n) {
  std::string out = R"({"args":{"models":{)";
  for (int i = 0; out.size() < n; ++i)
    out.append(i == 0 ? "\"" : ",\"").append(std::to_string(i)).append(R"(":"a/r)").append(std::to_string(i)).append("/x\"");
  return out + "}}}";
}
std::string references_path(std::size_t n) { return R"({"args":{"models":{"a":")" + repeated("a/", n) + "a\"}}}"; }
std::string json_objects(std::size_t n) {
  std::string out = R"({"models":[)" + repeated("{},", n);
  out.back() = ']';
  return out + "}";
}
std::string manifest_files(std::size_t n) {
  const std::string file = R"({"path":"a","bytes":1,"digest":")" + std::string(64, '0') + "\"},";
  std::string out =
      R"({"format":"espalier-bundle-1","models":[{"name":"a/a","parts":[{"source":"hub","repository":"a/a","revision":"b","files":[)" +
      repeated(file, n);
  out.back() = ']';
  return out + "}]}]}";
}

}  // namespace

std::vector<WorstShape> weight_shapes() {
  return {{"onnx", "empty nodes", onnx_nodes},
          {"onnx", "empty tensors", onnx_tensors},
          {"onnx", "unknown fields", onnx_fields},
          {"onnx", "empty attributes", onnx_attributes},
          {"onnx", "inputs of one node", onnx_inputs},
          {"onnx", "one long name", onnx_name},
          {"onnx", "one long chain", onnx_forwards},
          {"onnx", "one long chain from its end", onnx_backwards},
          {"onnx", "maps alive together", onnx_alive},
          {"torch", "empty entries", torch_entries},
          {"torch", "tensors of one storage", torch_tensors},
          {"torch", "tensors that repeat one number", torch_repeats},
          {"torch", "one tensor of many dimensions", torch_many_extents},
          {"torch_legacy", "equal storages", legacy_storages},
          {"torch_legacy", "a storage beyond the file", legacy_length},
          {"pickle", "values of one list", pickle_values},
          {"pickle", "lists", pickle_lists},
          {"pickle", "marks", pickle_marks},
          {"pickle", "tuples in each other", pickle_deep},
          {"pickle", "values one by one", pickle_appended},
          {"pickle", "one place of the memo", pickle_memo},
          {"pickle", "names", pickle_names},
          {"pickle", "one long name", pickle_name},
          {"pickle", "calls", pickle_calls},
          {"pickle", "lists of lists", pickle_nested},
          {"asset", "records", asset_records},
          {"asset", "images", asset_images},
          {"asset", "arrays", asset_arrays},
          {"references", "models", references_models},
          {"references", "repositories", references_foreign},
          {"references", "one long path", references_path},
          {"references", "objects side by side", json_objects},
          {"manifest", "objects side by side", json_objects},
          {"manifest", "files of one part", manifest_files}};
}

}  // namespace espalier::test
