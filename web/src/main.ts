import './style/tokens.css';
import './style/controls.css';
import './style/studio.css';
import {Studio} from './studio.js';

const root = document.getElementById('studio');
if (root) void new Studio(root).boot();
