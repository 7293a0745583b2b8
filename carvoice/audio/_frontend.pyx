# distutils: sources = csrc/cv_frontend.c csrc/cv_align.c csrc/cv_delay.c csrc/cv_drift.c csrc/cv_overdrive.c csrc/cv_beamformer.c csrc/cv_canceller.c csrc/cv_kalman.c csrc/cv_fft.c csrc/cv_highpass.c csrc/cv_noise.c csrc/cv_residual.c csrc/cv_suppress.c csrc/cv_vad.c csrc/cv_vad_features.c csrc/cv_gain.c csrc/cv_comfort.c
# cython: boundscheck=False, wraparound=False
"""The front end: echo cancellation, suppression, voice activity, in one call per frame (csrc/cv_frontend.c)."""

from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

cimport numpy as cnp
import numpy as np

from carvoice.audio.beams import design_beams
from carvoice.audio.settings import FrontEndSettings
from carvoice.errors import AudioFormatError, ConfigError

cnp.import_array()

cdef enum:
    FRAME = 160
    MICS = 4
    FARS = 2
    VOICE_INPUTS = 70


cdef extern from "cv_frontend.h" nogil:
    ctypedef struct cv_frontend_config:
        int mics, zones, far_channels, partitions, max_delay, delay
        float highpass_hz
        int cancel_echo, suppress_echo, suppress_noise, control_gain, follow_drift, overdrive, comfort_noise, linear_only
        float deep_wander, fast_wander, noise_memory, initial_spread
        float asr_echo_share, asr_noise_share, echo_floor, noise_floor, over_subtraction
        float target_db, most_gain_db, least_gain_db

    ctypedef struct cv_frontend_output:
        float asr[FRAME]
        float vad[FRAME]
        float speech, level_db, erle_db
        int far_active, zone, bad_samples

    ctypedef struct cv_frontend:
        pass

    const char *cv_frontend_check(const cv_frontend_config *config)
    size_t cv_frontend_size(const cv_frontend_config *config)
    cv_frontend *cv_frontend_init(void *memory, const cv_frontend_config *config)
    void cv_frontend_reset(cv_frontend *frontend)
    int cv_frontend_latency(const cv_frontend *frontend)
    void cv_frontend_aim(cv_frontend *frontend, const float *steer_re, const float *steer_im,
                         const float *weight_re, const float *weight_im)
    void cv_frontend_process(cv_frontend *frontend, const float *near, const float *far, cv_frontend_output *out)
    const float *cv_frontend_voice_inputs(const cv_frontend *frontend)
    float cv_frontend_delay(const cv_frontend *frontend)
    float cv_frontend_drift_ppm(const cv_frontend *frontend)


cdef class FrontEndOutput:
    """What the front end made of the frames that one call completed.

    Attributes:
        asr: float32 (160 * frames,): for the recognizer, echo cancelled, lightly suppressed.
        vad: float32, same length: fully suppressed.
        speech: float32 (frames,): probability that someone speaks.
        level_db: float32 (frames,): microphone level, dBFS.
        erle_db: float32 (frames,): echo the linear canceller took away, dB; 0 while the far end is silent.
        far_active: bool (frames,): whether the loudspeaker sounds.
        zone: int8 (frames,): index of the talker's zone in ``carvoice.audio.ZONES``, -1 unknown.
    """

    cdef readonly cnp.ndarray asr, vad, speech, level_db, erle_db, far_active, zone

    def __cinit__(self, cnp.npy_intp frames):
        cdef cnp.npy_intp count = frames * FRAME
        self.asr = cnp.PyArray_EMPTY(1, &count, cnp.NPY_FLOAT32, 0)
        self.vad = cnp.PyArray_EMPTY(1, &count, cnp.NPY_FLOAT32, 0)
        self.speech = cnp.PyArray_EMPTY(1, &frames, cnp.NPY_FLOAT32, 0)
        self.level_db = cnp.PyArray_EMPTY(1, &frames, cnp.NPY_FLOAT32, 0)
        self.erle_db = cnp.PyArray_EMPTY(1, &frames, cnp.NPY_FLOAT32, 0)
        self.far_active = cnp.PyArray_EMPTY(1, &frames, cnp.NPY_BOOL, 0)
        self.zone = cnp.PyArray_EMPTY(1, &frames, cnp.NPY_INT8, 0)

    def __len__(self):
        return cnp.PyArray_DIM(self.speech, 0)


cdef class FrontEnd:
    """The audio chain of one stream. Not thread-safe: one thread at a time.

    Samples may come in blocks of any length; each call returns the frames (10 ms) it completed, and the
    outputs put together are the same for any division into blocks.

    Args:
        settings: what to do; the defaults fit one microphone and a mono loudspeaker signal.

    Raises:
        ConfigError: the settings contradict themselves.
    """

    cdef void *_memory
    cdef cv_frontend *_chain
    cdef cv_frontend_config _config
    cdef float _near[MICS * FRAME]
    cdef float _far[FARS * FRAME]
    cdef int _pending
    cdef readonly object settings
    cdef readonly long bad_samples

    def __cinit__(self, settings=None):
        s = FrontEndSettings() if settings is None else settings
        cdef cv_frontend_config *c = &self._config
        c.mics = s.microphones
        c.zones = len(s.zone_positions_m)
        c.far_channels = s.far_channels
        c.partitions = s.echo_tail_ms // 10
        c.max_delay = round(s.max_delay_ms * 16)
        c.delay = round(s.delay_ms * 16)
        c.highpass_hz = s.highpass_hz
        c.cancel_echo = s.cancel_echo
        c.suppress_echo = s.suppress_echo
        c.suppress_noise = s.suppress_noise
        c.control_gain = s.control_gain
        c.follow_drift = s.follow_drift
        c.overdrive = s.overdrive and s.far_channels == 1
        c.comfort_noise = s.comfort_noise
        c.linear_only = s.linear_only
        c.deep_wander = s.deep_wander
        c.fast_wander = s.fast_wander
        c.noise_memory = 0.85
        c.initial_spread = 0.1
        c.asr_echo_share = s.asr_echo_share
        c.asr_noise_share = s.asr_noise_share
        c.echo_floor = 10 ** (s.echo_floor_db / 20)
        c.noise_floor = 10 ** (s.noise_floor_db / 20)
        c.over_subtraction = 4.0
        c.target_db = s.target_db
        c.most_gain_db = s.most_gain_db
        c.least_gain_db = -12.0
        cdef const char *problem = cv_frontend_check(c)
        if problem != NULL:
            raise ConfigError(f"front end settings: {problem.decode()}")
        self.settings = s
        cdef size_t size = cv_frontend_size(c)
        self._memory = calloc(1, size + 64)
        if self._memory == NULL:
            raise MemoryError(f"no memory for the front end ({size} bytes)")
        self._chain = cv_frontend_init(<void *>((<uintptr_t>self._memory + 63) // 64 * 64), c)
        if s.microphones > 1:
            self._aim(design_beams(s.microphone_positions_m, s.zone_positions_m))

    def __dealloc__(self):
        free(self._memory)

    cdef _aim(self, beams):
        cdef float[:, :, ::1] sr = np.ascontiguousarray(beams.steering.real)
        cdef float[:, :, ::1] si = np.ascontiguousarray(beams.steering.imag)
        cdef float[:, :, ::1] wr = np.ascontiguousarray(beams.weights.real)
        cdef float[:, :, ::1] wi = np.ascontiguousarray(beams.weights.imag)
        cv_frontend_aim(self._chain, &sr[0, 0, 0], &si[0, 0, 0], &wr[0, 0, 0], &wi[0, 0, 0])

    def process(self, near, far=None):
        """Take in microphone samples and what the loudspeaker played meanwhile.

        Args:
            near: (n,) or (microphones, n); float32 in ±1 or int16.
            far: (n,) or (far_channels, n), the same n; None when nothing plays.

        Returns:
            FrontEndOutput: the frames completed by this call, maybe none.

        Raises:
            AudioFormatError: wrong shape or dtype, or lengths that differ. Samples that are not finite
                are taken for silence and counted in ``bad_samples``.
        """
        return self._take_in(near, far, None)

    def voice_features(self, near, far=None):
        """Like :meth:`process`, for training and tests of the voice activity network.

        Returns:
            float32 (frames, 70): what the network sees of each frame, see csrc/cv_vad_features.h.
        """
        frames = (self._pending + np.size(near) // self._config.mics) // FRAME
        features = np.empty((frames, VOICE_INPUTS), np.float32)
        self._take_in(near, far, features)
        return features

    cdef FrontEndOutput _take_in(self, near, far, cnp.ndarray features):
        cdef cnp.ndarray a = samples(near, self._config.mics, "near")
        cdef cnp.ndarray b = None if far is None else samples(far, self._config.far_channels, "far")
        cdef cnp.npy_intp n = length(a)
        if b is not None and length(b) != n:
            raise AudioFormatError(f"near has {n} samples, far {length(b)}: give the same stretch of both")
        cdef FrontEndOutput out = FrontEndOutput((self._pending + n) // FRAME)
        if n > 0:
            self._run(a, b, n, out, features)
        return out

    # Plain pointers: a frame comes every 10 ms to cold caches, where each line of code is a trip to memory.
    cdef int _run(self, cnp.ndarray a, cnp.ndarray b, cnp.npy_intp n, FrontEndOutput out,
                  cnp.ndarray features) except -1:
        cdef float *asr = <float *>cnp.PyArray_DATA(out.asr)
        cdef float *vad = <float *>cnp.PyArray_DATA(out.vad)
        cdef float *speech = <float *>cnp.PyArray_DATA(out.speech)
        cdef float *level = <float *>cnp.PyArray_DATA(out.level_db)
        cdef float *erle = <float *>cnp.PyArray_DATA(out.erle_db)
        cdef cnp.uint8_t *active = <cnp.uint8_t *>cnp.PyArray_DATA(out.far_active)
        cdef signed char *zone = <signed char *>cnp.PyArray_DATA(out.zone)
        cdef const float *near = <const float *>cnp.PyArray_DATA(a)
        cdef float *far = NULL if b is None else <float *>cnp.PyArray_DATA(b)
        cdef float *voice = NULL if features is None else <float *>cnp.PyArray_DATA(features)
        cdef cv_frontend_output frame
        cdef cnp.npy_intp at = 0, take, done = 0
        cdef int m, i
        with nogil:
            while at < n:
                take = min(FRAME - self._pending, n - at)
                for m in range(self._config.mics):
                    memcpy(&self._near[m * FRAME + self._pending], near + m * n + at, take * sizeof(float))
                for m in range(self._config.far_channels):
                    for i in range(take):
                        self._far[m * FRAME + self._pending + i] = far[m * n + at + i] if far != NULL else 0.0
                self._pending += <int>take
                at += take
                if self._pending < FRAME:
                    break
                self._pending = 0
                cv_frontend_process(self._chain, self._near, self._far, &frame)
                memcpy(&asr[done * FRAME], frame.asr, FRAME * sizeof(float))
                memcpy(&vad[done * FRAME], frame.vad, FRAME * sizeof(float))
                speech[done] = frame.speech
                level[done] = frame.level_db
                erle[done] = frame.erle_db
                active[done] = frame.far_active
                zone[done] = <signed char>frame.zone
                if voice != NULL:
                    memcpy(voice + done * VOICE_INPUTS, cv_frontend_voice_inputs(self._chain),
                           VOICE_INPUTS * sizeof(float))
                self.bad_samples += frame.bad_samples
                done += 1
        return 0

    def flush(self):
        """Complete the last frame with silence and bring out what the latency still holds back.

        Returns:
            FrontEndOutput: one or two frames.
        """
        padding = (FRAME - self._pending) % FRAME + self.latency_samples
        return self.process(np.zeros((self._config.mics, padding), np.float32))

    def reset(self):
        """Forget everything heard, as if new."""
        cv_frontend_reset(self._chain)
        self._pending = 0
        self.bad_samples = 0

    def clone(self):
        """Another front end with the same settings that has heard nothing yet."""
        return FrontEnd(self.settings)

    @property
    def latency_samples(self):
        """Samples by which the outputs lag the input, beside the frame itself."""
        return cv_frontend_latency(self._chain)

    @property
    def delay_ms(self):
        """Delay of the echo that is being undone before the filter."""
        return cv_frontend_delay(self._chain) / 16

    @property
    def drift_ppm(self):
        """Clock drift that is being undone, parts per million."""
        return cv_frontend_drift_ppm(self._chain)

    @property
    def state_bytes(self):
        """Size of the whole state; nothing else is allocated while running but the outputs."""
        return cv_frontend_size(&self._config)


cdef cnp.npy_intp length(cnp.ndarray block):
    """Samples per channel of (n,) or (channels, n)."""
    return cnp.PyArray_DIM(block, cnp.PyArray_NDIM(block) - 1)


cdef cnp.ndarray samples(block, int channels, str name):
    """Bring a block to float32, C-contiguous, (channels, n), or (n,) if there is one channel."""
    cdef cnp.ndarray array = block if cnp.PyArray_Check(block) else np.asarray(block)
    cdef int kind = cnp.PyArray_TYPE(array), dimensions = cnp.PyArray_NDIM(array)
    if not (dimensions == 1 and channels == 1 or dimensions == 2 and cnp.PyArray_DIM(array, 0) == channels):
        raise AudioFormatError(
            f"{name}: shape {np.shape(block)}; give (n,) or ({channels}, n): {channels} channel(s) were set"
        )
    if kind == cnp.NPY_INT16:
        return np.ascontiguousarray(array, np.float32) * np.float32(1 / 32768)
    if kind != cnp.NPY_FLOAT32 and not np.issubdtype(array.dtype, np.floating):
        raise AudioFormatError(f"{name}: samples are {array.dtype}; give float32 in ±1 or int16")
    if kind == cnp.NPY_FLOAT32 and cnp.PyArray_IS_C_CONTIGUOUS(array) and cnp.PyArray_ISALIGNED(array):
        return array
    return np.require(array, np.float32, ("C", "A"))
