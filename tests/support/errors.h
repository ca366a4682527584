// Checks that a call fails with a given code and that its message says the given words.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "base/error.h"

namespace espalier::test {

template <class Call>
void expect_error(ErrorCode code, std::initializer_list<const char*> words, Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    for (const char* word : words)
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what() << "\nlacks: " << word;
    return;
  }
  ADD_FAILURE() << "no error was reported";
}

}  // namespace espalier::test
