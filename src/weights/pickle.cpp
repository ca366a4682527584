#include "weights/pickle.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/printable.h"

namespace espalier {
namespace {

constexpr std::size_t kMaxValues = std::size_t{1} << 19U;  // in containers, and in the memo
constexpr std::size_t kMaxContainers = std::size_t{1} << 17U;
constexpr std::size_t kMaxStack = std::size_t{1} << 17U;
constexpr unsigned kNewestProtocol = 5;

// The opcodes that are read, by Python's names for them.
enum Opcode : unsigned char {
  MARK = '(',
  STOP = '.',
  BINFLOAT = 'G',
  BININT = 'J',
  BININT1 = 'K',
  BININT2 = 'M',
  NONE = 'N',
  BINPERSID = 'Q',
  REDUCE = 'R',
  BINSTRING = 'T',
  SHORT_BINSTRING = 'U',
  BINUNICODE = 'X',
  BINBYTES = 'B',
  SHORT_BINBYTES = 'C',
  APPEND = 'a',
  BUILD = 'b',
  GLOBAL = 'c',
  APPENDS = 'e',
  BINGET = 'h',
  LONG_BINGET = 'j',
  BINPUT = 'q',
  LONG_BINPUT = 'r',
  SETITEM = 's',
  TUPLE = 't',
  SETITEMS = 'u',
  EMPTY_DICT = '}',
  EMPTY_LIST = ']',
  EMPTY_TUPLE = ')',
  PROTO = 0x80,
  TUPLE1 = 0x85,
  TUPLE2 = 0x86,
  TUPLE3 = 0x87,
  NEWTRUE = 0x88,
  NEWFALSE = 0x89,
  LONG1 = 0x8a,
  SHORT_BINUNICODE = 0x8c,
  BINUNICODE8 = 0x8d,
  STACK_GLOBAL = 0x93,
  MEMOIZE = 0x94,
  FRAME = 0x95,
};

struct Refused {
  unsigned char code;
  const char* name;
};
constexpr std::array<Refused, 33> kRefused{
    {{'0', "POP"},        {'1', "POP_MARK"},    {'2', "DUP"},          {'F', "FLOAT"},
     {'I', "INT"},        {'L', "LONG"},        {'P', "PERSID"},       {'S', "STRING"},
     {'V', "UNICODE"},    {'d', "DICT"},        {'g', "GET"},          {'i', "INST"},
     {'l', "LIST"},       {'o', "OBJ"},         {'p', "PUT"},          {0x81, "NEWOBJ"},
     {0x82, "EXT1"},      {0x83, "EXT2"},       {0x84, "EXT4"},        {0x8b, "LONG4"},
     {0x8e, "BINBYTES8"}, {0x8f, "EMPTY_SET"},  {0x90, "ADDITEMS"},    {0x91, "FROZENSET"},
     {0x92, "NEWOBJ_EX"}, {0x96, "BYTEARRAY8"}, {0x97, "NEXT_BUFFER"}, {0x98, "READONLY_BUFFER"},
     {PROTO, "PROTO"},    {STOP, "STOP"},       {MARK, "MARK"},        {REDUCE, "REDUCE"},
     {BUILD, "BUILD"}}};

std::string name_of_opcode(unsigned char code) {
  for (const Refused& r : kRefused) {
    if (r.code == code) return r.name;
  }
  constexpr const char* kDigits = "0123456789abcdef";
  return std::string("0x") + kDigits[code >> 4U] + kDigits[code & 15U];
}

bool is_container(const PickleValue& v) { return v.is(PickleKind::list) || v.is(PickleKind::tuple) || v.is(PickleKind::dict); }

}  // namespace

PickleValue PickleValue::handle(std::uint32_t tag, std::int64_t number) {
  PickleValue v;
  v.kind = PickleKind::handle;
  v.tag = tag;
  v.number = number;
  return v;
}

Pickle::Pickle(std::string where, std::span<const std::byte> bytes, PickleHooks& hooks)
    : where_(std::move(where)), bytes_(bytes), hooks_(hooks) {
  while (step()) {
  }
  root_ = pop();
  if (!stack_.empty() || !marks_.empty()) broken("values are left over at its end");
  // Nothing refers to these any more.
  Items().swap(stack_);
  Items().swap(memo_);
}

std::span<const PickleValue> Pickle::items(const PickleValue& container) const {
  require(is_container(container), "Pickle::items", "not a container");
  return containers_[container.tag];
}

std::string Pickle::place() const { return str(where_, ", byte ", opcode_at_); }

template <class... Parts>
void Pickle::broken(const Parts&... parts) const {
  fail(ErrorCode::format, place(), ": the pickle is damaged or not one of tensors: ", parts...);
}

// One opcode; false after STOP.
bool Pickle::step() {
  opcode_at_ = at_;
  const auto opcode = static_cast<unsigned char>(take(1).front());
  if (opcode_at_ == 0 && opcode != PROTO) broken("it does not begin with PROTO");
  if (opcode == STOP) return false;
  if (opcode == PROTO || opcode == FRAME) {
    announce(opcode);
    return true;
  }
  if (step_constant(opcode) || step_memory(opcode) || step_container(opcode) || step_call(opcode)) return true;
  fail(ErrorCode::unsupported, place(), ": the pickle opcode ", name_of_opcode(opcode),
       " is not allowed in a file of weights, and nothing was run",
       hint("get the file as safetensors, or save a plain state_dict()"));
}

void Pickle::announce(unsigned char opcode) {
  if (opcode == FRAME) {
    if (take_number(8) > bytes_.size() - at_) broken("a frame is longer than the file");
    return;
  }
  if (opcode_at_ != 0) broken("PROTO inside the pickle");
  const std::uint64_t protocol = take_number(1);
  if (protocol < 2 || protocol > kNewestProtocol) broken("protocol ", protocol, "; 2 to ", kNewestProtocol, " are read");
}

bool Pickle::step_constant(unsigned char opcode) {
  switch (opcode) {
    case NONE: push({}); return true;
    case NEWTRUE:
    case NEWFALSE:
      push_integer(opcode == NEWTRUE ? 1 : 0);
      top().kind = PickleKind::boolean;
      return true;
    case BININT: push_integer(static_cast<std::int32_t>(take_number(4))); return true;
    case BININT1: push_integer(static_cast<std::int64_t>(take_number(1))); return true;
    case BININT2: push_integer(static_cast<std::int64_t>(take_number(2))); return true;
    case LONG1: push_long(take(take_number(1))); return true;
    case BINFLOAT:
      (void)take(8);
      push({});
      top().kind = PickleKind::real;
      return true;
    case BINUNICODE:
    case BINSTRING: push_text(PickleKind::text, take(take_number(4))); return true;
    case SHORT_BINUNICODE:
    case SHORT_BINSTRING: push_text(PickleKind::text, take(take_number(1))); return true;
    case BINUNICODE8: push_text(PickleKind::text, take(take_number(8))); return true;
    case BINBYTES: push_text(PickleKind::bytes, take(take_number(4))); return true;
    case SHORT_BINBYTES: push_text(PickleKind::bytes, take(take_number(1))); return true;
    default: return false;
  }
}

bool Pickle::step_memory(unsigned char opcode) {
  switch (opcode) {
    case BINPUT: remember(take_number(1)); return true;
    case LONG_BINPUT: remember(take_number(4)); return true;
    case MEMOIZE: remember(memo_.size()); return true;
    case BINGET: recall(take_number(1)); return true;
    case LONG_BINGET: recall(take_number(4)); return true;
    default: return false;
  }
}

bool Pickle::step_container(unsigned char opcode) {
  const std::size_t size = stack_.size();
  switch (opcode) {
    case MARK:
      if (marks_.size() >= kMaxStack) broken("too many marks");
      marks_.push_back(size);
      return true;
    case EMPTY_DICT: push(new_container(PickleKind::dict, {})); return true;
    case EMPTY_LIST: push(new_container(PickleKind::list, {})); return true;
    case EMPTY_TUPLE: push_tuple(size); return true;
    case TUPLE1:
    case TUPLE2:
    case TUPLE3: {
      const std::size_t n = opcode - TUPLE1 + std::size_t{1};
      if (size < n || (!marks_.empty() && size - n < marks_.back())) broken("a tuple of more values than there are");
      push_tuple(size - n);
      return true;
    }
    case TUPLE: push_tuple(pop_mark()); return true;
    case APPEND:
      if (size == 0) broken("APPEND without a value");
      extend(PickleKind::list, size - 1);
      return true;
    case APPENDS: extend(PickleKind::list, pop_mark()); return true;
    case SETITEM:
      if (size < 2) broken("SETITEM without key and value");
      extend(PickleKind::dict, size - 2);
      return true;
    case SETITEMS: extend(PickleKind::dict, pop_mark()); return true;
    default: return false;
  }
}

bool Pickle::step_call(unsigned char opcode) {
  switch (opcode) {
    case GLOBAL: {
      const std::string_view module = take_line();
      const std::string_view name = take_line();
      push(hooks_.global(*this, module, name));
      return true;
    }
    case STACK_GLOBAL: {
      const PickleValue name = pop(), module = pop();
      if (!name.is(PickleKind::text) || !module.is(PickleKind::text)) broken("STACK_GLOBAL of something that is not a name");
      push(hooks_.global(*this, module.text(), name.text()));
      return true;
    }
    case BINPERSID: {
      const PickleValue id = pop();
      push(hooks_.persistent(*this, id));
      return true;
    }
    case REDUCE: {
      const PickleValue arguments = pop(), callable = pop();
      if (!arguments.is(PickleKind::tuple) || !callable.is(PickleKind::handle))
        broken("REDUCE of something that is not a call");
      push(hooks_.reduce(*this, callable, arguments));
      return true;
    }
    case BUILD: {
      const PickleValue state = pop();
      hooks_.build(*this, top(), state);
      return true;
    }
    default: return false;
  }
}

std::string_view Pickle::take(std::uint64_t count) {
  if (count > bytes_.size() - at_) {
    broken("it ends too early (", count, " bytes wanted, ", bytes_.size() - at_, " left); fetch the file again");
  }
  const std::string_view taken(reinterpret_cast<const char*>(bytes_.data()) + at_, static_cast<std::size_t>(count));
  at_ += taken.size();
  return taken;
}

std::uint64_t Pickle::take_number(unsigned bytes) {
  std::uint64_t number = 0;
  const std::string_view taken = take(bytes);
  for (unsigned i = 0; i < bytes; ++i) number |= static_cast<std::uint64_t>(static_cast<unsigned char>(taken[i])) << (8U * i);
  return number;
}

std::string_view Pickle::take_line() {
  const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + at_, bytes_.size() - at_);
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos) broken("a name without an end");
  at_ += end + 1;
  return rest.substr(0, end);
}

void Pickle::push(const PickleValue& value) {
  if (stack_.size() >= kMaxStack) broken("more than ", kMaxStack, " values on the stack");
  stack_.push_back(value);
}

void Pickle::push_text(PickleKind kind, std::string_view text) {
  if (text.size() > UINT32_MAX) broken("a text of ", text.size(), " bytes");
  PickleValue v;
  v.kind = kind;
  v.tag = static_cast<std::uint32_t>(text.size());
  v.data = text.data();
  push(v);
}

void Pickle::push_integer(std::int64_t number) {
  PickleValue v;
  v.kind = PickleKind::integer;
  v.number = number;
  push(v);
}

// Two's complement, little-endian.
void Pickle::push_long(std::string_view bytes) {
  if (bytes.size() > sizeof(std::int64_t)) return push_text(PickleKind::bytes, bytes);
  std::uint64_t number = !bytes.empty() && (static_cast<unsigned char>(bytes.back()) & 0x80U) != 0 ? ~std::uint64_t{0} : 0;
  for (std::size_t i = bytes.size(); i-- > 0;) number = number << 8U | static_cast<unsigned char>(bytes[i]);
  push_integer(static_cast<std::int64_t>(number));
}

PickleValue Pickle::pop() {
  const PickleValue value = top();
  stack_.pop_back();
  return value;
}

PickleValue& Pickle::top() {
  if (stack_.empty() || (!marks_.empty() && stack_.size() <= marks_.back())) broken("a value is wanted where there is none");
  return stack_.back();
}

std::size_t Pickle::pop_mark() {
  if (marks_.empty()) broken("a mark is wanted where there is none");
  const std::size_t mark = marks_.back();
  marks_.pop_back();
  if (mark > stack_.size()) broken("values below a mark were taken");
  return mark;
}

void Pickle::remember(std::uint64_t index) {
  if (index >= kMaxValues) broken("memo ", index, "; at most ", kMaxValues, " are kept");
  const auto i = static_cast<std::size_t>(index);
  if (i >= memo_.size()) {
    memo_.resize(i + 1);
    remembered_.resize(i + 1);
  }
  memo_[i] = top();
  remembered_[i] = true;
}

void Pickle::recall(std::uint64_t index) {
  if (index >= memo_.size() || !remembered_[static_cast<std::size_t>(index)]) broken("memo ", index, " was never set");
  push(memo_[static_cast<std::size_t>(index)]);
}

void Pickle::count_values(std::size_t more) {
  if (more > kMaxValues - values_) broken("more than ", kMaxValues, " values");
  values_ += more;
}

PickleValue Pickle::new_container(PickleKind kind, std::span<const PickleValue> items) {
  if (containers_.size() >= kMaxContainers) broken("more than ", kMaxContainers, " lists, tuples and dictionaries");
  count_values(items.size());
  PickleValue v;
  v.kind = kind;
  v.tag = static_cast<std::uint32_t>(containers_.size());
  containers_.emplace_back(items.begin(), items.end());
  return v;
}

void Pickle::push_tuple(std::size_t first) {
  const PickleValue tuple = new_container(PickleKind::tuple, std::span(stack_).subspan(first));
  stack_.resize(first);
  push(tuple);
}

// The values from `first` on go into the container below them.
void Pickle::extend(PickleKind kind, std::size_t first) {
  const std::size_t floor = marks_.empty() ? 0 : marks_.back();
  if (first == 0 || first - 1 < floor) broken("there is no container to put values into");
  const PickleValue target = stack_[first - 1];
  if (!target.is(kind)) broken("values are put into something else than a ", kind == PickleKind::dict ? "dictionary" : "list");
  const std::size_t more = stack_.size() - first;
  if (kind == PickleKind::dict && more % 2 != 0) broken("a key without a value");
  count_values(more);
  Items& items = containers_[target.tag];
  items.insert(items.end(), stack_.begin() + static_cast<std::ptrdiff_t>(first), stack_.end());
  stack_.resize(first);
}

}  // namespace espalier
