// BackgroundNetwork for one (device, element type). Included by the one source of each back end.
#pragma once

#include "models/matting/background_network.h"
#include "models/matting/network.h"

namespace espalier {

template <class Dev, class T>
class BackgroundNetworkOn final : public BackgroundNetwork {
 public:
  BackgroundNetworkOn(const BackgroundNetworkSource& source, int ordinal, const Monitor* monitor)
      : form_(source.form), queue_(ordinal), network_(queue_, source.file.label(), source.plan) {
    queue_.watch(monitor);
  }
  [[nodiscard]] const MatteInput& form() const override { return form_; }
  [[nodiscard]] std::vector<float> run(const std::vector<float>& input) override { return network_.run(input).front(); }

 private:
  MatteInput form_;
  Queue<Dev> queue_;
  MattingNetwork<Dev, T> network_;
};

}  // namespace espalier
