// Everything you hear is synthesised here: the project needs no audio files.

const BASS = [48, 45, 41, 43];
const ARPEGGIO = [0, 4, 7, 12, 7, 4, 14, 7];
const SCALE = [0, 2, 4, 7, 9, 12, 14, 16];
const STEP = 0.19;

const hertz = (note: number) => 440 * 2 ** ((note - 69) / 12);

export class Sound {
  private context: AudioContext | undefined;
  private master: GainNode | undefined;
  private music: GainNode | undefined;
  private noise: AudioBuffer | undefined;
  private muted = false;
  private nextStep = 0;
  private step = 0;
  private playing = false;

  /** Browsers refuse audio before the first gesture: call this from an input event. */
  unlock(): void {
    if (this.context) {
      if (this.context.state === 'suspended') void this.context.resume();
      return;
    }
    const context = new AudioContext();
    const compressor = context.createDynamicsCompressor();
    const master = context.createGain();
    const music = context.createGain();
    master.gain.value = this.muted ? 0 : 0.5;
    music.gain.value = 0.5;
    music.connect(master).connect(compressor).connect(context.destination);
    this.noise = context.createBuffer(1, context.sampleRate, context.sampleRate);
    const samples = this.noise.getChannelData(0);
    for (let i = 0; i < samples.length; i++) samples[i] = Math.random() * 2 - 1;
    this.context = context;
    this.master = master;
    this.music = music;
  }

  toggleMute(): boolean {
    this.muted = !this.muted;
    if (this.context && this.master) {
      this.master.gain.setTargetAtTime(this.muted ? 0 : 0.5, this.context.currentTime, 0.03);
    }
    return this.muted;
  }

  setMusic(playing: boolean): void {
    this.playing = playing;
  }

  /** Silence while the tab is hidden or the game is paused. */
  setSuspended(suspended: boolean): void {
    if (suspended) void this.context?.suspend();
    else void this.context?.resume();
  }

  /** Schedules the notes of the next moment; call it every frame. */
  update(intensity: number): void {
    const context = this.context;
    if (!context || !this.playing || context.state !== 'running') return;
    if (this.nextStep < context.currentTime) this.nextStep = context.currentTime + 0.05;
    while (this.nextStep < context.currentTime + 0.15) {
      this.playStep(this.step++, this.nextStep, intensity);
      this.nextStep += STEP;
    }
  }

  start(): void {
    this.chord([0, 7, 12], 60, 0.07);
  }

  jump(second: boolean): void {
    const from = second ? 420 : 300;
    this.tone({ type: 'triangle', from, to: from * 2.1, time: 0.16, volume: 0.16 });
  }

  land(): void {
    this.tone({ type: 'sine', from: 150, to: 60, time: 0.09, volume: 0.22 });
    this.burst(0.06, 0.05, 1400);
  }

  /** The pitch climbs with every ember taken in a row. */
  ember(streak: number): void {
    const note = 76 + SCALE[streak % SCALE.length];
    this.tone({ type: 'sine', from: hertz(note), to: hertz(note), time: 0.22, volume: 0.14 });
    this.tone({ type: 'triangle', from: hertz(note + 12), to: hertz(note + 12), time: 0.12, volume: 0.06 });
  }

  stomp(): void {
    this.tone({ type: 'square', from: 260, to: 70, time: 0.16, volume: 0.1 });
    this.burst(0.14, 0.18, 1200);
  }

  spring(): void {
    this.tone({ type: 'sine', from: 180, to: 760, time: 0.3, volume: 0.22 });
  }

  hurt(): void {
    this.burst(0.4, 0.3, 900);
    this.tone({ type: 'sawtooth', from: 340, to: 70, time: 0.35, volume: 0.14 });
  }

  checkpoint(): void {
    this.chord([0, 4, 7, 12], 72, 0.06);
  }

  win(): void {
    this.chord([0, 4, 7, 12, 16, 19, 24], 60, 0.1);
  }

  gameOver(): void {
    this.chord([12, 8, 7, 3, 0], 57, 0.17);
  }

  private chord(steps: number[], root: number, gap: number): void {
    steps.forEach((step, i) => {
      const pitch = hertz(root + step);
      this.tone({ type: 'triangle', from: pitch, to: pitch, time: 0.4, volume: 0.16, delay: i * gap });
    });
  }

  private playStep(step: number, at: number, intensity: number): void {
    const context = this.context;
    if (!context || !this.music) return;
    const delay = at - context.currentTime;
    const root = BASS[Math.floor(step / 16) % BASS.length];
    const out = this.music;
    if (step % 4 === 0) {
      const pitch = hertz(root);
      this.tone({ type: 'triangle', from: pitch, to: pitch, time: 0.5, volume: 0.22, delay, out });
    }
    // A plucked tune over it, fuller in later levels.
    const rest = step % 8 === 3 || (intensity < 0.3 && step % 8 === 6);
    if (!rest) {
      const pitch = hertz(root + 24 + ARPEGGIO[(step + Math.floor(step / 32) * 3) % ARPEGGIO.length]);
      this.tone({ type: 'sine', from: pitch, to: pitch, time: 0.3, volume: 0.1, delay, out });
    }
    if (step % 8 === 4) this.burst(0.06, 0.05, 5000, delay, out);
    if (step % 16 === 0) {
      for (const third of [12, 16, 19]) {
        const pitch = hertz(root + third);
        this.tone({ type: 'sine', from: pitch, to: pitch, time: 2.4, volume: 0.06, delay, out });
      }
    }
  }

  private tone(sound: {
    type: OscillatorType;
    from: number;
    to: number;
    time: number;
    volume: number;
    delay?: number;
    out?: AudioNode;
  }): void {
    const out = sound.out ?? this.master;
    if (!this.context || !out || this.context.state !== 'running') return;
    const start = this.context.currentTime + (sound.delay ?? 0);
    const oscillator = this.context.createOscillator();
    const gain = this.context.createGain();
    oscillator.type = sound.type;
    oscillator.frequency.setValueAtTime(sound.from, start);
    oscillator.frequency.exponentialRampToValueAtTime(Math.max(20, sound.to), start + sound.time);
    gain.gain.setValueAtTime(sound.volume, start);
    gain.gain.exponentialRampToValueAtTime(0.0008, start + sound.time);
    oscillator.connect(gain).connect(out);
    oscillator.start(start);
    oscillator.stop(start + sound.time + 0.02);
  }

  /** Filtered noise: explosions and cymbals. */
  private burst(
    time: number,
    volume: number,
    cutoff: number,
    delay = 0,
    out: AudioNode | undefined = this.master,
  ) {
    if (!this.context || !this.noise || !out || this.context.state !== 'running') return;
    const start = this.context.currentTime + delay;
    const source = this.context.createBufferSource();
    const filter = this.context.createBiquadFilter();
    const gain = this.context.createGain();
    source.buffer = this.noise;
    filter.type = cutoff > 4000 ? 'highpass' : 'lowpass';
    filter.frequency.setValueAtTime(cutoff, start);
    if (filter.type === 'lowpass') filter.frequency.exponentialRampToValueAtTime(60, start + time);
    gain.gain.setValueAtTime(volume, start);
    gain.gain.exponentialRampToValueAtTime(0.0008, start + time);
    source.connect(filter).connect(gain).connect(out);
    source.start(start, Math.random() * 0.5, time + 0.02);
  }
}
