// Progress of a whole job: every stage is planned with what it usually costs; what the job has taken so far corrects the rest.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <vector>

#include "espalier/espalier.h"

namespace espalier {

// What the costs of stages grow with. Before something exists, what it usually is.
struct JobSizes {
  double voxels = 12000;
  double faces = 0;      // decoded; 0: by the voxels
  double gaussians = 0;  // 0: by the voxels
  int images = 1;
  [[nodiscard]] double decoded_faces() const { return faces > 0 ? faces : 63 * voxels; }
  [[nodiscard]] double decoded_gaussians() const { return gaussians > 0 ? gaussians : 32 * voxels; }
};

// Stages of one kind are fast or slow together: networks by processor and GPU, finishing by the host.
enum class StageKind : std::uint8_t { network, finishing };

// A stage's steps in order: what its progress is at the end of each, and the seconds that it usually takes.
struct PlannedStep {
  double done = 1.0;  // share of the stage's progress, growing, 1 at the last
  double seconds = 0.0;
};

struct PlannedStage {
  Stage stage = Stage::encode_image;
  double seconds = 0.0;
  StageKind kind = StageKind::network;
  std::vector<PlannedStep> steps{};  // empty: time runs evenly with progress
  // As much longer as `factor` says.
  void take_times(double factor);
};

// The stage of these steps; its seconds are theirs together.
[[nodiscard]] PlannedStage stage_of_steps(Stage stage, StageKind kind, std::vector<PlannedStep> steps);
// Share of the stage's time that has gone when its progress is at `done`.
[[nodiscard]] double share_of_time(const PlannedStage& stage, double done);

// The plan as jobs before have shown it: stages that took `pace` times as long as planned are planned so.
[[nodiscard]] std::vector<PlannedStage> at_pace(std::vector<PlannedStage> stages, const std::map<Stage, double>& pace);

class JobClock {
 public:
  using Clock = std::chrono::steady_clock;

  // Stages in order of work.
  explicit JobClock(std::vector<PlannedStage> stages, Clock::time_point start = Clock::now());

  // Better figures for stages that have not begun: sizes become known on the way.
  void replan(const std::vector<PlannedStage>& stages);

  // A stage is at `step` of `steps`. The fraction never falls.
  [[nodiscard]] Progress at(Stage stage, int step, int steps, Clock::time_point now = Clock::now());

 private:
  struct Tally {
    double planned = 0.0, taken = 0.0;
  };
  [[nodiscard]] double pace(StageKind kind, const Tally& present, double done) const;
  void enter(std::size_t stage, double elapsed);

  std::vector<PlannedStage> stages_;
  Clock::time_point start_;
  std::array<Tally, 2> tallies_{};  // of finished stages, by kind
  std::size_t current_ = 0;
  double entered_ = 0.0;  // seconds after the start
  double fraction_ = 0.0;
};

}  // namespace espalier
