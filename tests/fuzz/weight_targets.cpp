// Files of weights that torch.save wrote, and their pickles.
#include <functional>
#include <numeric>

#include "memory_file.h"
#include "support/bytes.h"
#include "support/torch_writer.h"
#include "targets.h"
#include "weights/pickle.h"
#include "weights/torch_objects.h"
#include "weights/weight_file.h"

namespace espalier::test {
namespace {

using Input = std::span<const std::byte>;

bool read_weights(Input bytes) {
  const MemoryFile file(bytes);
  return attempt([&] {
    const auto tensors = open_weights(file.path());
    for (const auto& [name, entry] : tensors->entries()) {
      const TensorEntry read = tensors->read(name);
      (void)std::accumulate(read.data, read.data + read.bytes, std::byte{0}, std::bit_xor<>());  // all of it can be looked at
    }
  });
}

// The pickle alone, so that mutations meet no archive that does not fit.
bool read_pickle(Input bytes) {
  return attempt([&] {
    TorchObjects objects;
    const Pickle pickle("pickle", bytes, objects);
  });
}

std::string floats(int n) { return {std::string(static_cast<std::size_t>(4 * n), '\x3c')}; }

// Contiguous, transposed, expanded, scalar and empty tensors in two storages.
std::vector<TorchTensorText> torch_tensors() {
  return {{.name = "w", .count = 6, .extents = {2, 3}, .strides = {3, 1}},
          {.name = "t", .count = 6, .extents = {3, 2}, .strides = {1, 3}},
          {.name = "e", .count = 6, .offset = 2, .extents = {5, 2}, .strides = {0, 1}},
          {.name = "h", .storage_type = "HalfStorage", .key = "1", .count = 1, .extents = {}, .strides = {}},
          {.name = "n", .count = 6, .extents = {0, 4}, .strides = {4, 1}}};
}

std::vector<Bytes> archive_seeds() {
  const std::string pickle = torch_pickle(torch_tensors());
  ZipParts wide, streamed;
  wide.zip64 = true;
  wide.alignment = 0;
  wide.comment = "comment";
  streamed.descriptors = true;
  streamed.entries = {{"archive/byteorder", "little"}};
  std::vector<Bytes> seeds;
  for (const ZipParts& parts : {ZipParts(), wide, streamed}) {
    seeds.push_back(bytes_of(torch_archive(pickle, {{"0", floats(6)}, {"1", "hf"}}, parts)));
  }
  return seeds;
}

std::vector<Bytes> legacy_seeds() {
  return {bytes_of(torch_legacy(torch_pickle(torch_tensors(), true), {{"0", 6, floats(6)}, {"1", 1, "hf"}}))};
}

std::vector<Bytes> pickle_seeds() {
  PickleWriter wrapped(4);  // a training checkpoint, with every kind of value and opcode
  wrapped.raw(std::string("\x95\x02\0\0\0\0\0\0\0", 9)).ordered_dict().op('\x94').op('(').text("epoch").integer(3);
  wrapped.text("lr").raw(std::string("G\x3f\xf0\0\0\0\0\0\0", 9)).text("betas").integer(-1).integer(300).op('\x86');
  wrapped.raw("\x8c\x01m")
      .op(']')
      .op('(')
      .op('N')
      .op('\x88')
      .raw("J\x01\x02\x03\x04")
      .raw("M\x01\x02")
      .op('e')
      .op('q')
      .op('\x05');
  wrapped.raw("U\x01p").op('h').op('\x05').raw("C\x01z").op(')').op('u').text("_metadata").text("collections");
  wrapped.text("OrderedDict").op('\x93').op(')').op('R').op('s').op('}').op('b');
  PickleWriter parameter;
  parameter.op('}').text("w").global("torch._utils", "_rebuild_parameter").op('(');
  append_tensor(parameter, torch_tensors().front());
  parameter.op('\x88').ordered_dict().op('t').op('R').op('s');
  return {bytes_of(torch_pickle(torch_tensors())), bytes_of(torch_pickle(torch_tensors(), true)), bytes_of(wrapped.stop()),
          bytes_of(parameter.stop())};
}

}  // namespace

std::vector<FuzzTarget> weight_targets() {
  return {{"torch", read_weights, archive_seeds},
          {"torch_legacy", read_weights, legacy_seeds},
          {"pickle", read_pickle, pickle_seeds}};
}

}  // namespace espalier::test
