// GET /new, POST /new: the form, and the one page that shows an app password. It is the answer to the form itself: no address
// leads to it, nothing keeps it, and the same form sent again says that it was made.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { UnavailableError } from '../../lib/errors.ts';
import type { User } from '../../lib/user.ts';
import type { AppPassword } from '../../passwords/app-password.ts';
import type { PasswordRecord } from '../../passwords/record.ts';
import { PasswordRefusedError } from '../../passwords/service.ts';
import { HashQueueFullError } from '../../passwords/verifier.ts';
import type { PortalDeps } from '../pages-interface.ts';
import { en } from '../texts.ts';
import type { Answer } from './answer.ts';
import { field } from './form-fields.ts';
import { newPage, type Typed, typedIn } from './form-page.ts';
import { type Lifetime, lifetimesFor } from './lifetimes.ts';
import { nameProblem, refusedName } from './name-problem.ts';
import { type Made, Once } from './once.ts';
import { type Use, usesFor } from './scopes.ts';
import { setupsFor } from './setup.ts';

interface Problems {
  readonly name?: string;
  readonly use?: string;
  readonly expiry?: string;
  /** About no field. */
  readonly form?: string;
}

type Outcome =
  | { readonly kind: 'made'; readonly record: PasswordRecord; readonly password: AppPassword }
  | { readonly kind: 'full' }
  | { readonly kind: 'problems'; readonly problems: Problems; readonly status: 409 | 422 | 429 | 503 };

export function createPages(server: FastifyInstance, deps: PortalDeps, answer: Answer): void {
  const once = new Once();

  server.get('/new', async (request, reply) => {
    const typed = typedIn(request.query);
    const { creation, maxPerUser } = deps.settings();
    if (!creation) return creationOff(request, reply);
    const { user } = request.signedIn;
    if (offersFor(user).length === 0) return nothing(request, reply);
    const present = await deps.passwords.list({ user });
    if (present.length >= maxPerUser) return full(request, reply);
    if (!deps.requireFresh(request, reply, newPage(typed))) return reply;
    return form(request, reply, typed, {});
  });

  server.post('/new', async (request, reply) => {
    const typed = typedIn(request.body);
    if (!deps.settings().creation) return creationOff(request, reply);
    if (offersFor(request.signedIn.user).length === 0) return nothing(request, reply);
    if (!deps.requireFresh(request, reply, newPage(typed))) return reply;
    const token = field(request.body, 'once');
    if (!once.isToken(token)) {
      return form(request, reply.code(422), typed, { form: en.create.errors.stale });
    }
    let outcome: Outcome | undefined;
    const { first, made } = await once.run(request.signedIn.user, token, async () => {
      outcome = await create(request, typed);
      return outcome.kind === 'made' ? outcome.record : undefined;
    });
    if (!first || outcome === undefined) return already(request, reply, made);
    if (outcome.kind === 'full') return full(request, reply);
    if (outcome.kind === 'problems')
      return form(request, reply.code(outcome.status), typed, outcome.problems);
    return shown(request, reply, outcome.record, outcome.password);
  });

  async function create(request: FastifyRequest, typed: Typed): Promise<Outcome> {
    const { user } = request.signedIn;
    const settings = deps.settings();
    const { use, lifetime, problems } = check(typed, offersFor(user), lifetimesFor(settings.maxLifetime));
    if (use === undefined || lifetime === undefined || Object.keys(problems).length > 0) {
      return { kind: 'problems', problems, status: 422 };
    }
    try {
      const made = await deps.passwords.create({
        user,
        name: typed.name,
        uniqueName: true,
        scope: use.scope,
        expiresAt: lifetime.length === null ? null : deps.clock.now() + lifetime.length,
      });
      const from = deps.addressOf(request);
      const { id, name } = made.record;
      await deps.audit.record({ by: user, user, action: 'created', from, passwordId: id, name });
      deps.notify.created(made.record, { by: user, from });
      return { kind: 'made', ...made };
    } catch (error) {
      return refusal(error, typed);
    }
  }

  function refusal(error: unknown, typed: Typed): Outcome {
    const t = en.create.errors;
    if (error instanceof UnavailableError || error instanceof HashQueueFullError) {
      deps.events.storeFailed('portal create', error);
      return { kind: 'problems', problems: { form: t.busy }, status: 503 };
    }
    if (!(error instanceof PasswordRefusedError)) throw error;
    if (error.reason === 'limit') return { kind: 'full' };
    if (error.reason === 'too_fast') return { kind: 'problems', problems: { form: t.tooFast }, status: 429 };
    const name = refusedName(error, typed.name);
    if (name === undefined) throw error;
    return { kind: 'problems', problems: { name }, status: 409 };
  }

  function form(request: FastifyRequest, reply: FastifyReply, typed: Typed, problems: Problems) {
    const { maxLifetime } = deps.settings();
    return answer(request, reply, 'create', en.create.title, {
      typed,
      problems,
      uses: offersFor(request.signedIn.user),
      lifetimes: lifetimesFor(maxLifetime),
      isLimited: maxLifetime !== null,
      once: once.token(),
    });
  }

  function shown(
    request: FastifyRequest,
    reply: FastifyReply,
    record: PasswordRecord,
    password: AppPassword,
  ) {
    return answer(request, reply.header('cache-control', 'no-store'), 'made', en.made.title, {
      record,
      groups: password.display().split(' '),
      setups: setupsFor(deps.settings(), record.user, record.scope),
    });
  }

  /** What there is for the user, of what the configuration allows. */
  function offersFor(user: User): Use[] {
    const { scopes, usableBy } = deps.settings();
    const usable = usableBy(user);
    return usesFor(scopes.filter((protocol) => usable.includes(protocol)));
  }

  function nothing(request: FastifyRequest, reply: FastifyReply) {
    const { title, lead } = en.create.nothing;
    return answer(request, reply.code(403), 'say', title, { lead, way: { to: '/', text: en.create.back } });
  }

  function already(request: FastifyRequest, reply: FastifyReply, made: Made | undefined) {
    if (made === undefined) return reply.redirect('/', 303);
    return answer(request, reply, 'already', en.already.title, { id: made.id, name: made.name });
  }

  function full(request: FastifyRequest, reply: FastifyReply) {
    const { title, lead, button } = en.create.full;
    return answer(request, reply.code(409), 'say', title, {
      lead: lead(deps.settings().maxPerUser),
      way: { to: '/', text: button },
    });
  }

  function creationOff(request: FastifyRequest, reply: FastifyReply) {
    const { title, lead } = en.create.off;
    return answer(request, reply.code(403), 'say', title, { lead, way: { to: '/', text: en.create.back } });
  }
}

function check(typed: Typed, uses: readonly Use[], lifetimes: readonly Lifetime[]) {
  // Where there is one choice only, the form does not ask.
  const use = uses.length === 1 ? uses[0] : uses.find(({ key }) => key === typed.use);
  const lifetime = lifetimes.length === 1 ? lifetimes[0] : lifetimes.find(({ key }) => key === typed.expiry);
  const name = nameProblem(typed.name);
  const problems: Problems = {
    ...(name === undefined ? {} : { name }),
    ...(use === undefined ? { use: en.create.errors.use } : {}),
    ...(lifetime === undefined ? { expiry: en.create.errors.expiry } : {}),
  };
  return { use, lifetime, problems };
}
