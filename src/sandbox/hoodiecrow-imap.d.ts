// What the sandbox uses of hoodiecrow-imap, which comes without types.

declare module 'hoodiecrow-imap' {
  interface Message {
    /** CR LF line ends. */
    raw: string;
    flags?: string[];
    /** `14-Sep-2013 21:22:28 -0300` */
    internaldate?: string;
  }
  interface Folder {
    messages?: Message[];
    folders?: Record<string, Folder>;
    separator?: string;
    'special-use'?: string;
  }
  interface Options {
    plugins?: string[];
    id?: Record<string, string>;
    users?: Record<string, { password: string }>;
    storage?: Record<string, Folder>;
  }
  interface HoodiecrowServer {
    listen(port: number, host: string, listening: () => void): void;
    close(closed?: () => void): void;
    /** `raw` in octets as Latin-1. Whoever has the folder open is told. */
    appendMessage(folder: string, flags: string[], internaldate: Date, raw: string): void;
    /** An EventEmitter's: it listens to itself once for each connection. */
    setMaxListeners(most: number): void;
    /** The listening socket. */
    readonly server: import('node:net').Server;
  }
  function hoodiecrow(options?: Options): HoodiecrowServer;
  export = hoodiecrow;
}
