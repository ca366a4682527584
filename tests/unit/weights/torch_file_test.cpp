// Files of torch.save made by hand: what the format allows, and what it does not.
#include "weights/torch_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <numeric>

#include "support/errors.h"
#include "support/peak_memory.h"
#include "support/temporary_folder.h"
#include "support/torch_writer.h"
#include "weights/safetensors.h"
#include "weights/weight_file.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using test::append_tensor;
using test::expect_error;
using test::PickleWriter;
using test::torch_archive;
using test::torch_legacy;
using test::torch_pickle;
using test::TorchTensorText;
using test::ZipParts;

std::string floats(int n) {
  std::vector<float> values(static_cast<std::size_t>(n));
  std::iota(values.begin(), values.end(), 0.0F);
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

std::vector<float> values_of(const TensorSource& file, const std::string& name) {
  const TensorEntry entry = file.read(name);
  std::vector<float> values(entry.bytes / sizeof(float));
  std::memcpy(values.data(), entry.data, entry.bytes);
  return values;
}

const TorchTensorText kPlain{.name = "w", .count = 6, .extents = {2, 3}, .strides = {3, 1}};

class TorchFileTest : public ::testing::Test {
 protected:
  std::unique_ptr<const TensorSource> open(const std::string& bytes) {
    std::ofstream(folder_ / "t.pth", std::ios::binary) << bytes;
    return open_weights(folder_ / "t.pth");
  }
  std::unique_ptr<const TensorSource> open_pickle(const std::string& pickle) {
    return open(torch_archive(pickle, {{"0", floats(6)}}));
  }
  void refused(ErrorCode code, std::initializer_list<const char*> words, const std::string& bytes) {
    expect_error(code, words, [&] { (void)open(bytes); });
  }
  void refused_pickle(ErrorCode code, std::initializer_list<const char*> words, const std::string& pickle) {
    refused(code, words, torch_archive(pickle, {{"0", floats(6)}}));
  }
  void refused_tensor(std::initializer_list<const char*> words, const std::function<void(TorchTensorText&)>& edit) {
    TorchTensorText t = kPlain;
    edit(t);
    refused_pickle(ErrorCode::format, words, torch_pickle({t}));
  }
  // KiB that these bytes take until they are refused; -1 when they are not.
  std::int64_t peak_of_refusal(const std::string& bytes) {
    std::ofstream(folder_ / "t.pth", std::ios::binary) << bytes;
    return test::peak_growth([&] {
      try {
        (void)open_weights(folder_ / "t.pth");
      } catch (const Error&) {
        return true;
      }
      return false;
    });
  }

  test::TemporaryFolder folder_;
};

TEST_F(TorchFileTest, ContiguousTensorsPointIntoTheFileAndOthersAreGathered) {
  TorchTensorText transposed = kPlain, part = kPlain, repeated = kPlain, scalar = kPlain, empty = kPlain, last = kPlain;
  transposed = {.name = "t", .count = 6, .extents = {3, 2}, .strides = {1, 3}};
  part = {.name = "part", .count = 6, .offset = 1, .extents = {2, 2}, .strides = {3, 1}};
  repeated = {.name = "repeated", .count = 6, .offset = 2, .extents = {2, 2, 2}, .strides = {0, 3, 0}};
  scalar = {.name = "scalar", .count = 6, .offset = 5, .extents = {}, .strides = {}};
  empty = {.name = "empty", .count = 6, .offset = 6, .extents = {0, 1LL << 40}, .strides = {1LL << 40, 1}};
  last = {.name = "one", .count = 6, .offset = 5, .extents = {1, 1}, .strides = {1LL << 60, -7}};
  const auto file = open_pickle(torch_pickle({kPlain, transposed, part, repeated, scalar, empty, last}));
  EXPECT_EQ(file->entries().size(), 7U);
  EXPECT_NE(file->entries().at("w").data, nullptr);
  EXPECT_EQ(file->read("w").data, file->read("w").data);
  EXPECT_EQ(values_of(*file, "w"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(values_of(*file, "t"), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(values_of(*file, "part"), (std::vector<float>{1, 2, 4, 5}));
  EXPECT_EQ(values_of(*file, "repeated"), (std::vector<float>{2, 2, 5, 5, 2, 2, 5, 5}));
  EXPECT_EQ(values_of(*file, "scalar"), (std::vector<float>{5}));
  EXPECT_EQ(file->read("scalar").extents, std::vector<std::int64_t>{});
  EXPECT_EQ(file->read("empty").bytes, 0U);
  EXPECT_EQ(values_of(*file, "one"), (std::vector<float>{5}));
  expect_error(ErrorCode::not_found, {"t.pth", "no tensor x"}, [&] { (void)file->read("x"); });
}

TEST_F(TorchFileTest, EveryFormOfArchiveIsRead) {
  const std::string pickle = torch_pickle({kPlain});
  for (const bool zip64 : {false, true}) {
    for (const bool descriptors : {false, true}) {
      for (const unsigned alignment : {0U, 64U}) {
        ZipParts parts;
        parts.zip64 = zip64;
        parts.descriptors = descriptors;
        parts.alignment = alignment;
        parts.comment = "a comment";
        parts.entries = {{"archive/byteorder", "little"}, {"archive/.data/serialization_id", "17"}};
        EXPECT_EQ(values_of(*open(torch_archive(pickle, {{"0", floats(6)}}, parts)), "w").back(), 5.0F);
      }
    }
  }
}

TEST_F(TorchFileTest, ArchivesThatLieAreRefused) {
  const std::string pickle = torch_pickle({kPlain}), content = floats(6);
  ZipParts parts;
  parts.entries = {{"archive/byteorder", "big"}};
  refused(ErrorCode::unsupported, {"byte order", "big"}, torch_archive(pickle, {{"0", content}}, parts));
  parts.entries = {{"archive/constants.pkl", ""}};
  refused(ErrorCode::unsupported, {"TorchScript"}, torch_archive(pickle, {{"0", content}}, parts));
  parts.entries = {{"other/data.pkl", pickle}};
  refused(ErrorCode::format, {"several entries data.pkl"}, torch_archive(pickle, {{"0", content}}, parts));
  // A comment that is itself a whole end record: two readings.
  parts.entries.clear();
  const std::string good = torch_archive(pickle, {{"0", content}});
  parts.comment = good.substr(good.size() - 22);
  refused(ErrorCode::format, {"two end records"}, torch_archive(pickle, {{"0", content}}, parts));

  // Numbers in the records: the local header of data.pkl, the last directory entry, the end record.
  const auto edited = [&](const std::string& bytes, std::size_t at, const std::string& with) {
    std::string out = bytes;
    return out.replace(at, with.size(), with);
  };
  const std::size_t entry = good.rfind("PK\x01\x02"), end = good.size() - 22;
  refused(ErrorCode::format, {"data.pkl", "is called"}, edited(good, 30, "other"));
  refused(ErrorCode::format, {"does not begin"}, edited(good, good.find("PK\x03\x04", 4), "PK\x03\x05"));
  refused(ErrorCode::format, {"leaves the directory"}, edited(good, entry + 28, "\xff\xff"));
  refused(ErrorCode::format, {"cannot list"}, edited(good, end + 8, std::string("\xff\0\xff\0", 4)));
  refused(ErrorCode::format, {"bytes more than"}, edited(good, end + 8, std::string("\x02\0\x02\0", 4)));
  refused(ErrorCode::format, {"does not lie before"}, edited(good, end + 12, "\xff\xff"));
  refused(ErrorCode::format, {"does not lie before"}, edited(good, end + 16, "\xff\xff\xff\xff"));
  refused(ErrorCode::format, {"one part of several"}, edited(good, end + 4, "\x01"));
  const std::size_t first = good.find("PK\x01\x02");
  refused(ErrorCode::unsupported, {"data.pkl", "encrypted"}, edited(good, first + 8, "\x01"));
  refused(ErrorCode::unsupported, {"data.pkl", "compressed"}, edited(good, first + 10, "\x08"));
  refused(ErrorCode::format, {"contradict"}, edited(good, first + 20, "\x01"));
  refused(ErrorCode::format, {"zip64 sizes", "missing"}, edited(good, first + 42, "\xff\xff\xff\xff"));

  ZipParts wide;
  wide.zip64 = true;
  const std::string good64 = torch_archive(pickle, {{"0", content}}, wide);
  const std::size_t record = good64.rfind("PK\x06\x06"), locator = good64.rfind("PK\x06\x07");
  refused(ErrorCode::format, {"zip64 record is not"}, edited(good64, locator + 8, "\xff\xff\xff\xff\xff\xff\xff\xff"));
  refused(ErrorCode::format, {"entries"},
          edited(good64, record + 24, "\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x7f"));
  refused(ErrorCode::format, {"does not lie before"}, edited(good64, record + 40, "\xff\xff\xff\xff\xff\xff\xff\xff"));
  refused(ErrorCode::format, {"contradict"}, edited(good64, good64.size() - 12, std::string("\x01\0", 2)));
}

TEST_F(TorchFileTest, TensorsThatLeaveTheirStorageAreRefused) {
  refused_tensor({"tensor w", "leaves its storage of 6"}, [](auto& t) { t.extents = {7}, t.strides = {1}; });
  refused_tensor({"tensor w", "leaves its storage"}, [](auto& t) { t.offset = 1; });
  refused_tensor({"begins at element 7 of 6"}, [](auto& t) { t.offset = 7; });
  refused_tensor({"begins at element -1"}, [](auto& t) { t.offset = -1; });
  refused_tensor({"leaves its storage"}, [](auto& t) { t.strides = {INT64_MAX, 1}; });
  refused_tensor({"strides"}, [](auto& t) { t.strides = {3, -1}; });
  refused_tensor({"2 sizes and 1 strides"}, [](auto& t) { t.strides = {1}; });
  refused_tensor({"size [-2, 3]"}, [](auto& t) { t.extents = {-2, 3}; });
  refused_tensor({"far larger"}, [](auto& t) { t.extents = {INT64_MAX, INT64_MAX}, t.strides = {0, 0}; });
  refused_tensor({"17 dimensions"}, [](auto& t) { t.extents = t.strides = std::vector<std::int64_t>(17, 1); });
  refused_tensor({"24 bytes are there"}, [](auto& t) { t.count = 7; });
  refused_tensor({"no entry archive/data/1"}, [](auto& t) { t.key = "1"; });
  refused_tensor({"no entry archive/data/../../version"}, [](auto& t) { t.key = "../../version"; });
  refused_tensor({"storage 0 of -1"}, [](auto& t) { t.count = -1; });
  refused_tensor({"elements"}, [](auto& t) { t.count = INT64_MAX; });
  refused_tensor({"key of 300 bytes"}, [](auto& t) { t.key = std::string(300, '0'); });
  TorchTensorText other = kPlain;
  other.name = "other";
  other.storage_type = "IntStorage";
  refused_pickle(ErrorCode::format, {"storage 0", "twice"}, torch_pickle({kPlain, other}));
  // Each repeats a number four million times, which is allowed, but not for all of them together.
  std::vector<TorchTensorText> many;
  for (int i = 0; i < 20; ++i) many.push_back({.name = std::to_string(i), .count = 6, .extents = {1 << 22}, .strides = {0}});
  refused_pickle(ErrorCode::format, {"one too many"}, torch_pickle(many));
  many.resize(1);
  EXPECT_EQ(values_of(*open_pickle(torch_pickle(many)), "0").size(), std::size_t{1} << 22U);
}

TEST_F(TorchFileTest, OnlyKnownNamesAndOpcodesAreAllowed) {
  const std::vector<std::pair<const char*, const char*>> foreign{{"os", "system"},
                                                                 {"torch", "load"},
                                                                 {"torch", "ComplexFloatStorage"},
                                                                 {"torch._utils", "_rebuild_sparse_tensor"},
                                                                 {"torch._utils", "_rebuild_tensor_v2.__class__"},
                                                                 {"__builtin__", "getattr"},
                                                                 {"collections", "OrderedDict.fromkeys"},
                                                                 {"numpy.core.multiarray", "_reconstruct"}};
  for (const auto& [module, name] : foreign) {
    const std::string full = std::string(module) + "." + name;
    refused_pickle(ErrorCode::unsupported, {full.c_str(), "nothing was run"}, PickleWriter().global(module, name).stop());
    refused_pickle(ErrorCode::unsupported, {full.c_str(), "nothing was run"},
                   PickleWriter(4).text(module).text(name).op('\x93').stop());
  }
  const std::vector<std::pair<char, const char*>> opcodes{
      {'i', "INST"}, {'o', "OBJ"},    {'\x81', "NEWOBJ"}, {'\x82', "EXT1"},        {'\x92', "NEWOBJ_EX"}, {'0', "POP"},
      {'2', "DUP"},  {'P', "PERSID"}, {'I', "INT"},       {'\x97', "NEXT_BUFFER"}, {'\xff', "0xff"}};
  for (const auto& [code, name] : opcodes) {
    refused_pickle(ErrorCode::unsupported, {name, "not allowed"}, PickleWriter().op('}').op(code).stop());
  }
  refused_pickle(ErrorCode::unsupported, {"?[31m"},
                 PickleWriter().global("\x1b[31m", "red").stop());  // nothing for the terminal
  refused_pickle(ErrorCode::unsupported, {"attributes"},
                 PickleWriter().op('}').text("w").raw("").op('N').op('}').op('b').op('s').stop());
}

TEST_F(TorchFileTest, BrokenPicklesAreRefused) {
  const auto broken = [&](const char* word, const std::string& pickle) {
    refused_pickle(ErrorCode::format, {"byte ", word}, pickle);
  };
  broken("PROTO", "}.");
  broken("protocol 1", PickleWriter(1).op('}').stop());
  broken("protocol 6", PickleWriter(6).op('}').stop());
  broken("PROTO inside", PickleWriter().op('\x80').op('\x02').op('}').stop());
  broken("too early", PickleWriter().op('}').bytes());
  broken("too early", PickleWriter().raw("X\xff\xff\xff\xff").stop());
  broken("too early", PickleWriter(4).raw("\x8d\xff\xff\xff\xff\xff\xff\xff\xff").stop());
  broken("frame", PickleWriter(4).raw("\x95\xff\xff\xff\xff\xff\xff\xff\xff").stop());
  broken("without an end", PickleWriter().raw("cos").stop());
  broken("where there is none", PickleWriter().stop());
  broken("where there is none", PickleWriter().op('R').stop());
  broken("where there is none", PickleWriter().op('N').op('(').op('R').stop());
  broken("where there is none", PickleWriter().op('N').op('(').op('q').op('\0').stop());
  broken("where there is none", PickleWriter().op('t').stop());
  broken("more values than there are", PickleWriter().op('N').op('\x86').stop());
  broken("more values than there are", PickleWriter().op('N').op('N').op('(').op('N').op('\x86').stop());
  broken("left over", PickleWriter().op('}').op('}').stop());
  broken("left over", PickleWriter().op('(').op('}').stop() + ".");
  broken("a key without a value", PickleWriter().op('}').op('(').op('N').op('u').stop());
  broken("something else", PickleWriter().op(']').op('(').op('N').op('N').op('u').stop());
  broken("something else", PickleWriter().op('}').op('N').op('a').stop());
  broken("no container", PickleWriter().op('(').op('N').op('e').stop());
  broken("never set", PickleWriter().op('h').op('\x05').stop());
  broken("never set", PickleWriter().op('}').op('q').op('\x05').op('h').op('\x04').stop());
  broken("at most", PickleWriter().op('}').op('r').raw("\xff\xff\xff\xff").stop());
  broken("not a call", PickleWriter().op('}').op(')').op('R').stop());
  broken("not a call", PickleWriter().global("collections", "OrderedDict").op('N').op('R').stop());
  broken("persistent id", PickleWriter().text("0").op('Q').stop());
  broken("persistent id", PickleWriter().op('(').text("module").op('t').op('Q').stop());
  broken("arguments", PickleWriter().global("torch._utils", "_rebuild_tensor_v2").op(')').op('R').stop());
  broken("arguments", PickleWriter().global("torch", "FloatStorage").op(')').op('R').stop());
}

TEST_F(TorchFileTest, MemoAndListsWorkAsInPython) {
  PickleWriter out;
  // One key and one tensor under two names; a list, a float, bytes and big numbers beside them; the last of two values counts.
  out.op('}').op('q').op('\0').op('(').text("w");
  append_tensor(out, kPlain);
  out.op('q').op('\x01').text("again").op('h').op('\x01');
  out.text("epoch")
      .integer(-7)
      .text("lr")
      .raw(std::string("G\x3f\xf0\0\0\0\0\0\0", 9))
      .text("list")
      .op(']')
      .op('(')
      .integer(300);
  out.raw(std::string("C\x03"
                      "abc"))
      .op('e')
      .text("big")
      .raw(
          "\x8a\x09"
          "123456789")
      .op('u');
  out.text("w2").op('N').op('s').text("again").op('N').op('s');
  const auto file = open_pickle(out.stop());
  ASSERT_EQ(file->entries().size(), 1U);
  EXPECT_EQ(values_of(*file, "w"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
}

TEST_F(TorchFileTest, TheStateDictIsFoundInATrainingCheckpoint) {
  const auto dict = [](PickleWriter& out, const char* key, const char* tensor) {
    out.text(key).op('}').op('(').text(tensor);
    TorchTensorText t = kPlain;
    append_tensor(out, t);
    out.op('u');
  };
  const auto names = [&](const std::string& pickle) {
    std::string all;
    const auto file = open_pickle(pickle);
    for (const auto& [name, entry] : file->entries()) all += name + " ";
    return all;
  };
  const auto begin = [] {
    PickleWriter out;
    out.op('}').op('(').text("epoch").integer(3);
    return out;
  };
  PickleWriter known = begin();
  dict(known, "ema", "a"), dict(known, "state_dict", "b"), dict(known, "optimizer", "c");
  EXPECT_EQ(names(known.op('u').stop()), "b ");
  PickleWriter only = begin();
  dict(only, "generator", "a");
  EXPECT_EQ(names(only.op('u').stop()), "a ");
  PickleWriter several = begin();
  dict(several, "generator", "a"), dict(several, "critic", "b");
  refused_pickle(ErrorCode::format, {"several", "critic, generator"}, several.op('u').stop());
  PickleWriter both = begin();
  dict(both, "generator", "a");
  both.text("loss");
  append_tensor(both, kPlain);
  refused_pickle(ErrorCode::format, {"generator", "tensors beside"}, both.op('u').stop());
  refused_pickle(ErrorCode::format, {"no tensors by name"}, begin().op('u').stop());
  refused_pickle(ErrorCode::format, {"no dictionary"}, PickleWriter().op('N').stop());
  refused_pickle(ErrorCode::format, {"a name of 5000 bytes"}, [&] {
    PickleWriter out;
    return out.op('}').text(std::string(5000, 'n')).op('N').op('s').stop();
  }());
}

TEST_F(TorchFileTest, OlderAndNewerFormsOfTensors) {
  const auto rebuilt = [](const char* function, const std::function<void(PickleWriter&)>& rest) {
    PickleWriter out;
    out.op('}').text("w").global("torch._utils", function).op('(');
    out.op('(').text("storage").global("torch.cuda", "FloatStorage").text("0").text("cuda:0").integer(6).op('t').op('Q');
    out.integer(0).tuple({6}).tuple({1});
    rest(out);
    return out.op('t').op('R').op('s').stop();
  };
  EXPECT_EQ(values_of(*open_pickle(rebuilt("_rebuild_tensor", [](auto&) {})), "w").back(), 5.0F);
  const auto metadata = [](PickleWriter& out) { out.op('\x89').ordered_dict().op('}'); };
  EXPECT_EQ(values_of(*open_pickle(rebuilt("_rebuild_tensor_v2", metadata)), "w").back(), 5.0F);
  // The bit that says that the numbers are to be negated.
  refused_pickle(ErrorCode::unsupported, {"negative"}, rebuilt("_rebuild_tensor_v2", [](PickleWriter& out) {
                   out.op('\x89').ordered_dict().op('}').text("neg").op('\x88').op('s');
                 }));
  PickleWriter pairs;  // Python 2
  pairs.global("collections", "OrderedDict").op(']').op('(').text("w");
  append_tensor(pairs, kPlain);
  EXPECT_EQ(values_of(*open_pickle(pairs.op('\x86').op('e').op('\x85').op('R').stop()), "w").back(), 5.0F);
}

TEST_F(TorchFileTest, LegacyFiles) {
  const std::string object = torch_pickle({kPlain}, true);
  EXPECT_EQ(values_of(*open(torch_legacy(object, {{"0", 6, floats(6)}})), "w").back(), 5.0F);
  refused(ErrorCode::unsupported, {"big-endian"}, torch_legacy(object, {{"0", 6, floats(6)}}, false));
  refused(ErrorCode::format, {"storage 0", "missing"}, torch_legacy(object, {}));
  refused(ErrorCode::format, {"5 elements instead of 6"}, torch_legacy(object, {{"0", 5, floats(6)}}));
  refused(ErrorCode::format, {"leaves the file"}, torch_legacy(object, {{"0", 6, floats(5)}}));
  refused(ErrorCode::format, {"stored twice"}, torch_legacy(object, {{"0", 6, floats(6)}, {"0", 6, floats(6)}}));
  refused(ErrorCode::format, {"does not know"}, torch_legacy(object, {{"1", 6, floats(6)}}));
  const std::string good = torch_legacy(object, {{"0", 6, floats(6)}});
  const std::size_t protocol = good.find(std::string("M\xe9\x03", 3));
  refused(ErrorCode::format, {"1001"}, std::string(good).replace(protocol + 1, 1, "\xe8"));
  const std::size_t info = good.find("little_endian");
  refused(ErrorCode::format, {"byte order"}, std::string(good).replace(info, 1, "L"));
  PickleWriter view;
  view.op('}').text("w").global("torch._utils", "_rebuild_tensor_v2").op('(').op('(').text("storage");
  view.global("torch", "FloatStorage").text("0").text("cpu").integer(6).op('(').text("root").integer(0).integer(6).op('t');
  view.op('t').op('Q');
  refused(ErrorCode::unsupported, {"part of another"}, torch_legacy(view.stop(), {}));
  refused(ErrorCode::unsupported, {"os.system"}, torch_legacy(PickleWriter().global("os", "system").stop(), {}));
  // The same inside the small pickles around the object.
  refused(ErrorCode::unsupported, {"os.system"},
          std::string(good).replace(good.find("M\xe9\x03"), std::string::npos, "cos\nsystem\n)R."));
}

// The worst pickles of the largest accepted size: only containers, a huge memo, long lists, all tensors.
TEST_F(TorchFileTest, NoPickleTakesMuchMemory) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "freed memory stays in AddressSanitizer's quarantine";
#endif
  constexpr std::size_t kSize = (std::size_t{8} << 20U) - 4096;
  const auto filled = [&](PickleWriter out, const std::string& unit) {
    std::string bytes = out.bytes();
    while (bytes.size() < kSize) bytes += unit;
    return bytes;
  };
  const auto at_memo = [](std::uint64_t i) { return "r" + test::little_endian(i, 4); };
  PickleWriter tensors;  // one tensor made again and again
  tensors.op('}').op('(').text("w").global("torch._utils", "_rebuild_tensor_v2").op('q').op('\0').op('(').op('(');
  tensors.text("storage").global("torch", "FloatStorage").text("0").text("cpu").integer(6).op('t').op('Q');
  tensors.integer(0).tuple({6}).tuple({1}).op('\x89').ordered_dict().op('t').op('q').op('\x01').op('R');
  PickleWriter keys;  // many storages
  keys.op('(');
  std::string storages = keys.bytes();
  for (int i = 0; storages.size() < kSize; ++i) {
    storages += PickleWriter()
                    .op('(')
                    .text("storage")
                    .global("torch", "FloatStorage")
                    .text(std::to_string(i))
                    .op('N')
                    .integer(1)
                    .op('t')
                    .op('Q')
                    .bytes()
                    .substr(2);
  }
  std::string mixed =
      PickleWriter().op(']').raw(at_memo(0x7FFFF)).bytes();  // the memo first, then as many values as there may be
  for (int i = 0; i < 120000; ++i) mixed += "](NNNNe";
  while (mixed.size() < kSize) mixed += ")0";
  for (const std::string& pickle :
       {filled(PickleWriter(), "]"), filled(PickleWriter().op(']').raw(at_memo(0x7FFFF)), "(NNNNe]"),
        filled(PickleWriter(), ")"), filled(PickleWriter().op(']'), "(" + std::string(1000, 'N') + "e"),
        filled(tensors, std::string("h\0h\x01R", 5)), filled(PickleWriter().op(']'), "Na"), storages, mixed}) {
    const std::int64_t kib = peak_of_refusal(torch_archive(pickle, {}));
    EXPECT_GE(kib, 0) << "accepted, or it crashed";
    EXPECT_LT(kib, 64 * 1024);
  }
  refused_pickle(ErrorCode::format, {"data.pkl has"}, filled(PickleWriter(), "]") + std::string(8192, ']'));
}

TEST(WeightFile, IsToldApartByItsContent) {
  const test::TemporaryFolder folder;
  const auto write = [&](const char* name, const std::string& bytes) {
    std::ofstream(folder / name, std::ios::binary) << bytes;
    return folder / name;
  };
  save_safetensors(folder / "weights.bin", {{"a", HostTensor(DType::f32, {1})}}, {{"trained", "no"}});
  const auto safetensors = open_weights(folder / "weights.bin");
  EXPECT_EQ(safetensors->metadata().at("trained"), "no");
  const std::string torch = torch_archive(torch_pickle({kPlain}), {{"0", floats(6)}});
  EXPECT_EQ(open_weights(write("weights.safetensors", torch))->entries().count("w"), 1U);

  const auto refused = [&](std::initializer_list<const char*> words, const std::string& bytes, const char* name = "x.pth") {
    expect_error(ErrorCode::format, words, [&] { (void)open_weights(write(name, bytes)); });
  };
  const std::string pointer =
      "version https://git-lfs.github.com/spec/v1\noid sha256:" + std::string(64, 'a') + "\nsize 1217607321\n";
  refused({"x.pth", "Git LFS pointer", "1217607321 bytes", "git lfs pull"}, pointer);
  refused({"x.safetensors", "Git LFS pointer"}, pointer, "x.safetensors");
  refused({"Git LFS pointer"}, pointer.substr(0, 60));
  refused({"web page"}, "\n<!DOCTYPE html><html><title>Sign in</title>");
  refused({"web page"}, "<HTML>");
  refused({"GGUF"}, "GGUF\x03");
  refused({"pickle, but none of torch.save"}, PickleWriter().op('}').stop());
  refused({"not a file of weights", ".pth"}, "weights");
  refused({"empty"}, "");
  refused({"too few"}, "abc", "x.safetensors");
  expect_error(ErrorCode::not_found, {"none.pth"}, [&] { (void)open_weights(folder / "none.pth"); });
}

TEST(WeightFile, EndingsAreTriedInOrder) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(find_weights(folder / "a"), folder / "a.safetensors");
  for (const char* ending : {".bin", ".pt", ".pth", ".safetensors"}) {
    std::ofstream(folder / (std::string("a") + ending)) << "x";
    EXPECT_EQ(find_weights(folder / "a"), folder / (std::string("a") + ending));
  }
}

}  // namespace
}  // namespace espalier
