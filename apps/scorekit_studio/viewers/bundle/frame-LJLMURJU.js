function g(t){let e=t instanceof Uint8Array?t:new Uint8Array(t),a=new DataView(e.buffer,e.byteOffset,4).getUint32(0,!0),r=JSON.parse(new TextDecoder().decode(e.subarray(4,4+a))),o=4+a,i=new Map;for(let{name:l,type:s,bytes:n}of r.parts)i.set(l,{type:s,bytes:e.slice(o,o+n)}),o+=n;return{...r,parts:i}}var h=`:host { display: block; }
.viewer {
  --line: var(--st-border-color, #8884);
  --soft: var(--st-secondary-background-color, #f2f2f4);
  --ink: var(--st-text-color, #222);
  --paper: var(--st-background-color, #fff);
  --accent: var(--st-primary-color, #2563eb);
  --radius: var(--st-base-radius, 8px);
  font: 14px/1.4 var(--st-font, system-ui, sans-serif);
  color: var(--ink);
  display: flex; flex-direction: column; gap: 8px;
  min-width: 0;
}
.viewer * { box-sizing: border-box; }
.stage {
  position: relative; overflow: hidden; width: 100%;
  border: 1px solid var(--line); border-radius: var(--radius); background: var(--soft);
}
.stage:focus-visible, button:focus-visible, input:focus-visible, summary:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 1px;
}
.stage canvas, .stage img { display: block; }
.checker {
  background: repeating-conic-gradient(#d4d4d8 0 25%, #fafafa 0 50%) 0 0 / 20px 20px;
}
.paper { background: #fff; }
.night { background: #17181c; }
.bar { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
.bar .grow { flex: 1; }
.bar .note { opacity: .75; font-size: 13px; }
button {
  font: inherit; color: inherit; background: var(--paper);
  border: 1px solid var(--line); border-radius: var(--radius);
  min-width: 34px; min-height: 34px; padding: 4px 9px; cursor: pointer;
}
button:hover { border-color: var(--accent); }
button[aria-pressed="true"] { border-color: var(--accent); color: var(--accent); background: color-mix(in srgb, var(--accent) 12%, var(--paper)); }
.trouble { margin: 0; padding: 10px 12px; border: 1px solid var(--line); border-left: 3px solid #c2410c; border-radius: var(--radius); background: var(--soft); }
.small .bar, .small details, .small .strip { display: none; }
details > summary { cursor: pointer; }
.layers { list-style: none; margin: 8px 0 0; padding: 0; max-height: 240px; overflow: auto; display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 2px 12px; }
.layers label { display: flex; gap: 8px; align-items: center; padding: 3px 2px; min-height: 30px; cursor: pointer; }
.layers i { width: 16px; height: 16px; flex: none; border: 1px solid var(--line); border-radius: 3px; }
.layers span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.strip { display: flex; gap: 3px; overflow-x: auto; }
.strip button { padding: 0; border: 2px solid transparent; border-radius: 4px; flex: 1 0 56px; background: none; line-height: 0; overflow: hidden; }
.strip button.now { border-color: var(--accent); }
.strip canvas { width: 100%; height: auto; display: block; }
video { width: 100%; max-height: 540px; display: block; background: #000; border-radius: var(--radius); }
.small video { max-height: 220px; }
audio { width: 100%; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 8px; }
.pair figure { margin: 0; min-width: 0; }
.pair figcaption { font-size: 13px; opacity: .8; margin-bottom: 3px; }
.pair canvas { width: 100%; height: auto; display: block; touch-action: manipulation; border-radius: var(--radius); border: 1px solid var(--line); }
@media (max-width: 420px) { .pair { gap: 4px; } }
input[type="range"] { accent-color: var(--accent); width: 100%; min-height: 28px; margin: 0; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
iframe { border: 1px solid var(--line); border-radius: var(--radius); width: 100%; background: var(--paper); }
`;var f=new WeakMap;function x(t,e){return({data:a,parentElement:r})=>{let o=g(a),i=f.get(r);if(i?.stamp===o.stamp)return i.view?.retheme?.(),i.end;i?.end();let l=Object.assign(document.createElement("style"),{textContent:h}),s=p("div",{className:"viewer"});s.dataset.viewer=t,o.small&&s.classList.add("small"),r.append(l,s);let n={stamp:o.stamp,view:null,gone:!1};n.end=()=>{n.gone=!0,n.view?.end?.(),n.view=null,l.remove(),s.remove(),f.get(r)===n&&f.delete(r)},f.set(r,n);let u=performance.now();return Promise.resolve().then(()=>e(s,o)).then(c=>{if(n.gone)return c?.end?.();n.view=c,s.dataset.loaded=String(Math.round(performance.now()-u))}).catch(c=>$(s,c)),n.end}}function $(t,e){let a=e?.sentence??"This file cannot be drawn; it can still be downloaded.";t.dataset.error=e?.message??String(e),t.replaceChildren(p("p",{className:"trouble",role:"alert",textContent:a}))}function p(t,e={},...a){let r=document.createElement(t);for(let[o,i]of Object.entries(e))o in r&&o!=="role"?r[o]=i:r.setAttribute(o,i);return r.append(...a),r}function m(t,e,a){return getComputedStyle(t).getPropertyValue(`--st-${e}`).trim()||a}var v=t=>t.replaceAll("&","&amp;").replaceAll('"',"&quot;"),P=x("frame",async(t,e)=>{let a=new TextDecoder().decode(e.parts.get("html").bytes),i=`default-src 'none'; ${e.scripts?"script-src 'unsafe-inline'; ":"script-src 'none'; "}style-src 'unsafe-inline'; img-src data: blob:; media-src data: blob:; font-src data:; form-action 'none'; base-uri 'none'; frame-src 'none'; child-src 'none'`,l=e.scripts?"allow-scripts":"",s=m(t,"background-color","#fff"),n=`:root{--text-color:${m(t,"text-color","#222")};--background-color:${s};--primary-color:${m(t,"primary-color","#2563eb")};color-scheme:${A(s)<.4?"dark":"light"}}body{color:var(--text-color);font-family:system-ui,sans-serif;margin:8px}`,u=`<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${i}"><meta name="referrer" content="no-referrer"><meta http-equiv="x-dns-prefetch-control" content="off">`,c=`${u}<style>${n}</style>${a}`,y=`${u}<style>html,body{margin:0;height:100%;overflow:hidden}iframe{border:0;width:100%;height:100%}</style><iframe sandbox="${l}" referrerpolicy="no-referrer" title="${v(e.alt)}" srcdoc="${v(c)}"></iframe>`,d=p("iframe",{title:e.alt,height:e.height});d.setAttribute("sandbox",l),d.setAttribute("referrerpolicy","no-referrer");let w=new Promise(b=>d.addEventListener("load",b,{once:!0}));return d.srcdoc=y,t.append(d),await Promise.race([w,new Promise(b=>setTimeout(b,8e3))]),{}});function A(t){let e=p("canvas",{width:1,height:1}).getContext("2d");e.fillStyle=t,e.fillRect(0,0,1,1);let[a,r,o]=e.getImageData(0,0,1,1).data;return(.2126*a+.7152*r+.0722*o)/255}export{P as default};
