// What the rest of Postern has to know of the configuration: its type, and the way from a file to it.

export { loadConfig, parseConfig } from './load.ts';
export { LOG_LEVELS, type LogLevel } from './log-level.ts';
export type { Config, PortalConfig, RouteConfig, Section, UpstreamConfig } from './schema.ts';
