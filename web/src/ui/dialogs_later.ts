import {later} from '../core/words.js';

/** The dialogs, loaded with the first one. */
export const dialogs = (): Promise<typeof import('./dialogs.js')> => later(() => import('./dialogs.js'));
