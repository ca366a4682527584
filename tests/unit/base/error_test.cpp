#include "base/error.h"

#include <gtest/gtest.h>

namespace espalier {
namespace {

template <class Body>
Error thrown_by(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {ErrorCode::internal, ""};
}

TEST(Errors, MessageAndHintAreApart) {
  const Error error = thrown_by([] { fail(ErrorCode::not_found, "a", 1, "; b", hint("look at ", 2)); });
  EXPECT_EQ(error.code(), ErrorCode::not_found);
  EXPECT_EQ(error.message(), "a1; b");
  EXPECT_EQ(error.hint(), "look at 2");
  EXPECT_STREQ(error.what(), "a1; b; look at 2");
}

TEST(Errors, WithoutHintSemicolonsBelongToTheMessage) {
  const Error error = thrown_by([] { fail(ErrorCode::io, "a; b", hint("")); });
  EXPECT_EQ(error.message(), "a; b");
  EXPECT_TRUE(error.hint().empty());
  EXPECT_STREQ(error.what(), "a; b");
}

TEST(Errors, FailAgainPutsInFrontAndKeepsTheRest) {
  const Error inner(ErrorCode::format, "bad", "good");
  const Error error = thrown_by([&] { fail_again(inner, "file", ": "); });
  EXPECT_EQ(error.code(), ErrorCode::format);
  EXPECT_EQ(error.message(), "file: bad");
  EXPECT_EQ(error.hint(), "good");
}

TEST(Errors, SeveralHintsAreKeptInOrder) {
  EXPECT_EQ(thrown_by([] { fail(ErrorCode::io, "a", hint("b"), hint(""), hint("c")); }).hint(), "b; c");
}

TEST(Errors, CopiesKeepTheirParts) {
  Error copy(ErrorCode::io, "x");
  {
    const Error error(ErrorCode::device, "message", "hint");
    copy = error;
  }
  EXPECT_EQ(copy.code(), ErrorCode::device);
  EXPECT_EQ(copy.message(), "message");
  EXPECT_EQ(copy.hint(), "hint");
}

}  // namespace
}  // namespace espalier
