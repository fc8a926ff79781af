// The process: from its start to its end, and where it listens.

import type { MetricTable } from '../lib/metrics.ts';
import type { Subject } from './subject.ts';

export const PROCESS_METRICS = {
  postern_build_info: {
    type: 'gauge',
    help: 'Always 1; the labels tell the build.',
    labels: { version: 'any', node: 'any' },
  },
} as const satisfies MetricTable;

export function processEvents({ log, metrics }: Subject<keyof typeof PROCESS_METRICS>) {
  return {
    listening(listener: string, address: string, port: number) {
      log.info({ event: 'listening', listener, address, port }, `listening on ${address} port ${port}`);
    },
    ready(version: string, node: string) {
      metrics.set('postern_build_info', { version, node }, 1);
      log.info({ event: 'ready', version, node }, 'ready');
    },
    listenerClosed(listener: string, address: string, port: number) {
      log.info(
        { event: 'listener_closed', listener, address, port },
        `listening no more on ${address} port ${port}`,
      );
    },
    draining(sessions: number, deadline: number) {
      log.info({ event: 'draining', sessions, seconds: deadline / 1000 }, 'draining: no new connections');
    },
    stopped(sessionsCut: number) {
      log.info({ event: 'stopped', sessionsCut }, 'stopped');
    },
  };
}
