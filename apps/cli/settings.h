// What the user asked for: the values of the option table (espalier/options.h), still as plain values.
#pragma once

#include <stdexcept>

#include "espalier/options.h"

namespace espalier::cli {

using Settings = Options;

// The command line asks for something that it cannot mean; the program ends with exit code 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace espalier::cli
